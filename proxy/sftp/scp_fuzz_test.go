package sftp

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/scp"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// scpSeeds are command lines and what a client sends.
var scpSeeds = [][2]string{
	{"scp -t /d/new", "C0644 5 x\nhello\x00"},
	{"scp -d -t d", "C0644 1 a\nA\x00C0644 0 b\n\x00\x01no\nT1 0 1 0\nC0644 2 c\nCC\x00"},
	{"scp -r -p -t d", "D0755 0 t\nT5 0 5 0\nC0644 1 a\nA\x00D0755 0 u\nE\nE\n\x02end\n"},
	{"scp -t d", "C0644 5 a\nhel"},
	{"scp -t d", "C0644 3 a\nhel\x01read error\nC0644 1 b\nB\x00"},
	{"scp -t d", "C0644 99 ../a\n"},
	{"scp -f d/old", "\x00\x00\x00"},
	{"scp -r -p -f d", "\x00\x00\x00\x00\x00\x00\x01no\n\x00\x00\x00"},
	{"scp -f 'd'/o*", "\x00\x00\x00"},
}

// FuzzSCP serves any command line, with any answers and messages of the client. Whatever these are, the session ends in order. A file is
// stored only if all of its announced bytes and the last answer came; one that is not stored is as it was. With scp -f, nothing changes.
func FuzzSCP(f *testing.F) {
	for _, seed := range scpSeeds {
		f.Add(seed[0], []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, line string, sent []byte) {
		command, err := scp.Parse(line)
		if err != nil || len(sent) > 4000 || len(command.Paths) > 20 {
			return
		}
		synctest.Test(t, func(t *testing.T) { fuzzSCP(t, command, sent) })
	})
}

// TestSCPSeeds: the seeds of FuzzSCP store and send files.
func TestSCPSeeds(t *testing.T) {
	stored, received := 0, 0
	for _, seed := range scpSeeds {
		command, err := scp.Parse(seed[0])
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			files, out := fuzzSCP(t, command, []byte(seed[1]))
			stored += files
			received += bytes.Count(out, []byte("old content"))
		})
	}
	if stored != 6 || received != 3 {
		t.Errorf("%d files were stored, %d sent", stored, received)
	}
}

// fuzzSCP serves a command, and checks the store afterwards. It returns how many files were stored, and what the server has sent.
func fuzzSCP(t *testing.T, command scp.Command, sent []byte) (stored int, out []byte) {
	events := &recorder{}
	near, far := newMemConn(clientAddr, serverAddr, 1<<20)
	served, store, cancel := newServed(t, far, func(srv *Server, _ *proxy.Account) { srv.Observer, srv.Keep = events, 64<<10 })
	defer cancel()
	put := func(name, content string) {
		store.Files[name] = storetest.MemoryFile{Name: name, Data: []byte(content)}
	}
	put("/d/old", "old content")
	put("/d/sub/", "")
	before := maps.Clone(store.Files)
	near.Write(sent)
	near.CloseWrite()
	ended := make(chan error, 1)
	go func() {
		err := served.serveSCP(served.hard, far, func(string) {}, command)
		far.CloseWrite()
		ended <- err
	}()
	out, _ = io.ReadAll(near)
	<-ended
	near.Close()
	if panics := all[event.Panic](events); len(panics) > 0 {
		t.Fatal(panics[0].Err)
	}
	if n := served.handles.Load() + served.pending.Load(); n != 0 || len(served.uploads.list) != 0 {
		t.Errorf("%d handles and requests, %d uploads are left", n, len(served.uploads.list))
	}
	if _, transfers := served.srv.sessions().Running(); transfers != 0 {
		t.Errorf("%d transfers are left", transfers)
	}
	for name, file := range before {
		if now, ok := store.Files[name]; !ok || !command.Receive && !bytes.Equal(now.Data, file.Data) {
			t.Errorf("%s was removed, or changed by scp -f", name)
		}
	}
	for name, file := range store.Files {
		was, there := before[name]
		if file.IsDir() || there && bytes.Equal(was.Data, file.Data) {
			continue
		}
		stored++
		whole := bytes.Contains(sent, append(bytes.Clone(file.Data), 0)) && announces(sent, len(file.Data))
		if !command.Receive || !whole || strings.Contains(name+"/", "/../") {
			t.Errorf("%s has %q", name, file.Data)
		}
	}
	return stored, out
}

// announces reports whether the client has sent a line for a file of n bytes.
func announces(sent []byte, n int) bool {
	for line := range bytes.SplitSeq(sent, []byte("\n")) {
		_, line, _ = bytes.Cut(line, []byte("C"))
		_, size, _ := bytes.Cut(line, []byte(" "))
		digits, _, _ := bytes.Cut(size, []byte(" "))
		if string(bytes.TrimLeft(digits, "0")) == strings.TrimLeft(fmt.Sprint(n), "0") {
			return true
		}
	}
	return false
}
