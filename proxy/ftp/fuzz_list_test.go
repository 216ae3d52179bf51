package ftp

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// FuzzListLine checks for any valid name, size and time that the entry is one line without control characters in LIST and in MLSD, and
// that a client's parser gets the same name, size and time from it.
func FuzzListLine(f *testing.F) {
	f.Add("a b.txt", int64(1234), int64(946684800), int64(951782400), false)
	f.Add("  -rw-r--r-- 1 ftp ftp 5 Jan  1 00:00 x", int64(0), int64(951782399), int64(983318400), true)
	f.Add("x; type=dir; y", int64(1)<<62, int64(-62135596801), int64(0), false)
	f.Add("\u00e4\u2028\u202e ->", int64(99999999999), int64(253402300799), int64(978307200), false)
	f.Fuzz(func(t *testing.T, name string, size, modified, now int64, dir bool) {
		year := time.Unix(modified, 0).UTC().Year()
		if clean, err := names.Resolve("/", name); err != nil || clean != "/"+name || name == "" || strings.Contains(name, "/") || size < 0 || year < 0 || year > 9999 {
			return // not a valid entry
		}
		if now = now % (1 << 36); now < 0 {
			now = -now
		}
		e := listedFile{name: name, size: size, modified: modified, dir: dir}
		checkListLine(t, listLine(e.entry(), time.Unix(now, 0)), e, time.Unix(now, 0).UTC())
		checkFactLine(t, factLine("/"+name, e.entry(), allFacts)+" "+name, e)
	})
}

// A listedFile has a name, a size and a time.
type listedFile struct {
	name           string
	size, modified int64
	dir            bool
}

func (e listedFile) entry() proxy.Entry {
	return proxy.Entry{Name: e.name, Size: e.size, ModTime: time.Unix(e.modified, 0), Dir: e.dir, ETag: "0123abcd"}
}

func checkListLine(t *testing.T, line string, want listedFile, now time.Time) {
	t.Helper()
	checkText(t, line)
	got, at, err := parseListLine(line, now)
	if err != nil || got != (listedFile{name: want.name, size: want.size, dir: want.dir}) {
		t.Errorf("%q is parsed as %+v, %v; want %+v", line, got, err, want)
		return
	}
	shown, unit := want.entry().ModTime.UTC(), 24*time.Hour
	if strings.Contains(line[:len(line)-len(want.name)], ":") {
		unit = time.Minute
	}
	if shown.IsZero() {
		shown = now // for an unknown time
	}
	if !at.Equal(shown.Truncate(unit)) {
		t.Errorf("%q, at %v, has the time %v, want %v", line, now, at, shown)
	}
}

// parseListLine parses a line of LIST as clients do: eight fields separated by blanks, one blank, and the name. For a time without a
// year it chooses the latest year such that the time is at most one day in the future.
func parseListLine(line string, now time.Time) (e listedFile, at time.Time, err error) {
	var fields [8]string
	rest := line
	for i := range fields {
		rest = strings.TrimLeft(rest, " ")
		fields[i], rest, _ = strings.Cut(rest, " ")
	}
	e.name, e.dir = rest, fields[0] == "drwxr-xr-x"
	if !e.dir && fields[0] != "-rw-r--r--" {
		return e, at, fmt.Errorf("mode %q", fields[0])
	}
	if e.size, err = strconv.ParseInt(fields[4], 10, 64); err != nil {
		return e, at, err
	}
	date := strings.Join(fields[5:], " ")
	if !strings.Contains(fields[7], ":") {
		at, err = time.Parse("Jan 2 2006", date)
		return e, at, err
	}
	for year := now.Year() + 1; year >= now.Year()-1; year-- {
		at, err = time.Parse("2006 Jan 2 15:04", fmt.Sprintf("%04d %s", year, date))
		if err == nil && !at.After(now.Add(24*time.Hour)) {
			return e, at, nil
		}
	}
	return e, at, fmt.Errorf("no such time: %q", date)
}

// checkFactLine checks a line of MLSD: facts, each followed by a semicolon, a blank, and the name (RFC 3659, section 7.2).
func checkFactLine(t *testing.T, line string, want listedFile) {
	t.Helper()
	checkText(t, line)
	text, name, ok := strings.Cut(line, " ")
	facts := make(map[string]string)
	for fact := range strings.SplitSeq(strings.TrimSuffix(text, ";"), ";") {
		k, v, _ := strings.Cut(fact, "=")
		facts[k] = v
	}
	kind, size := "file", fmt.Sprint(want.size)
	if want.dir {
		kind, size = "dir", ""
	}
	if !ok || name != want.name || path.Base(name) != name || facts["type"] != kind || facts["size"] != size {
		t.Errorf("%q is parsed as %q with %v, want %+v", line, name, facts, want)
	}
	modify := ""
	if !want.entry().ModTime.IsZero() {
		modify = want.entry().ModTime.UTC().Format(factTime)
	}
	if facts["modify"] != modify {
		t.Errorf("%q: modify is %q, want %q", line, facts["modify"], modify)
	}
}

// checkText checks that line has no control characters.
func checkText(t *testing.T, line string) {
	t.Helper()
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("%q has control characters", line)
	}
}
