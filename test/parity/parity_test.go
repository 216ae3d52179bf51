package parity

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// seenTime returns a time as users see it. The times of the test itself are "now".
func seenTime(t time.Time) string {
	if d := time.Since(t); d > -time.Hour && d < time.Hour {
		return "now"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// contents returns what a store has. Names are quoted: they may have any bytes.
func contents(m *storetest.Memory) string {
	m.Lock()
	defer m.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		f := m.Files[name]
		all = append(all, fmt.Sprintf("%q %q %s", name, f.Data, seenTime(f.Time)))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Resumable)) {
		all = append(all, fmt.Sprintf("%q %q resumable", name, m.Resumable[name]))
	}
	return strings.Join(all, "\n")
}

// run runs a step, such as "put|name|data".
func (s *side) run(step string) string {
	words := append(strings.Split(step, "|"), "", "")
	switch words[0] {
	case "stat":
		return s.stat(words[1])
	case "list":
		return s.list(words[1])
	case "get":
		return s.get(words[1], words[2])
	case "put":
		return s.put(words[1], words[2])
	case "add":
		return s.add(words[1], words[2])
	case "resume":
		return s.resume(words[1], words[2], words[3])
	case "continue": // where the server says that the upload stands
		size := strings.Fields(s.stat(words[1]) + " - -")[1]
		n, err := strconv.Atoi(size)
		if err != nil {
			s.Fatalf("%s: the size is %s", step, size)
		}
		return s.resume(words[1], size, words[2][n:])
	case "break":
		return s.breakOff(words[1], words[2])
	case "remove":
		return s.remove(words[1])
	case "mkdir":
		return s.mkdir(words[1])
	case "rmdir":
		return s.rmdir(words[1])
	case "rename":
		return s.rename(words[1], words[2])
	case "replace":
		return s.replace(words[1], words[2])
	case "time":
		return s.setTime(words[1], words[2])
	}
	s.Fatalf("%q is no step", step)
	return ""
}

// TestParity runs the cases.
func TestParity(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			byFTP, bySFTP := newFTP(t, c.account), newSFTP(t, c.account)
			defer byFTP.close()
			defer bySFTP.close()
			if c.store != nil {
				c.store(byFTP.store)
				c.store(bySFTP.store)
			}
			for _, step := range c.steps {
				ftp, sftp := byFTP.run(step.do), bySFTP.run(step.do)
				t.Logf("%s: %s", step.do, ftp)
				switch {
				case step.why == "" && ftp != sftp:
					t.Errorf("%q: by FTP %q, by SFTP %q", step.do, ftp, sftp)
				case step.why != "" && (ftp != step.ftp || sftp != step.sftp):
					t.Errorf("%q: by FTP %q, want %q; by SFTP %q, want %q", step.do, ftp, step.ftp, sftp, step.sftp)
				}
			}
			ftp, sftp := contents(byFTP.store), contents(bySFTP.store)
			t.Logf("at the end:\n%s", ftp)
			if !c.endsDiffer && ftp != sftp {
				t.Errorf("by FTP the store has\n%s\nby SFTP\n%s", ftp, sftp)
			}
		})
	}
}

// A test is a case. Its steps are run in order.
type test struct {
	name       string
	account    func(*proxy.Account)
	store      func(*storetest.Memory)
	steps      []step
	endsDiffer bool // because of a step whose results differ
}

// A step is run on both sides. If the results differ, why says the reason.
type step struct {
	do        string
	why       string
	ftp, sftp string
}

// steps are steps with equal results.
func steps(all ...string) (list []step) {
	for _, do := range all {
		list = append(list, step{do: do})
	}
	return list
}
