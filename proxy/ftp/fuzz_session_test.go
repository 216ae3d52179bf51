package ftp

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// FuzzSession sends any commands of the table with any arguments, and behaves in any way during transfers. It checks that each line gets
// one well-formed final reply, that nothing is allowed before a login, and that the store changes only by commands that succeed: an
// upload gets 226 if and only if the store has the complete file, and a download only if all of it was sent.
func FuzzSession(f *testing.F) {
	for _, seed := range seedSessions {
		for how := range byte(len(plays)) {
			f.Add(encode(seed, how))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 400 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t)
			s.noListener, s.login = true, false
			s.store.Files["/a"] = storetest.MemoryFile{Name: "/a", Data: []byte("one\ntwo\n"), Time: time.Now()}
			s.store.Files["/d/b.txt"] = storetest.MemoryFile{Name: "/d/b.txt", Data: []byte("\r\nb\x00\xff"), Time: time.Now()}
			stop := s.serve()
			defer stop()
			s.switchTo(1)
			newFuzzSession(s).run((*program)(&in))
		})
	})
}

// changes are the commands that may change the store, with the reply when they do.
var changes = map[string]int{"STOR": 226, "STOU": 226, "APPE": 226, "DELE": 250, "RMD": 250, "XRMD": 250, "RNTO": 250,
	"MKD": 257, "XMKD": 257, "MFMT": 213, "SITE": 200}

// An exchange is one command, the data of its transfer, and the replies to it and to commands sent during the transfer.
type exchange struct {
	line   string
	how    play
	data   []byte // received
	cut    error  // of the zlib stream, in MODE Z
	begun  bool   // 150 was received
	chat   int    // number of commands that are answered before the end of the transfer
	finals []int
	before map[string]storetest.MemoryFile
	broken map[string][]byte
}

// own returns the code of the reply to the command itself, or 0.
func (e *exchange) own() int {
	if len(e.finals) <= e.chat {
		return 0
	}
	return e.finals[e.chat]
}

// check checks the replies of an exchange and its changes of the store.
func (f *fuzzSession) check(e *exchange) {
	t, after := f.script.t, f.files()
	verb, _ := split(e.line)
	changed := !maps.EqualFunc(e.before, after, sameFile)
	switch {
	case changed && changes[verb] != e.own():
		t.Errorf("%q, %s, has the replies %d and changes %v to %v", e.line, e.how.name, e.finals, e.before, after)
	case e.begun && e.own() == 226 && e.how.incomplete && !f.mayBeEmpty(e):
		t.Errorf("%q, %s, has the replies %d, although the transfer is incomplete", e.line, e.how.name, e.finals)
	case e.own() != 226:
	case e.cut != nil:
		t.Errorf("%q gets 226, but its zlib stream is incomplete: %v", e.line, e.cut)
	case verb == "STOR" || verb == "APPE" || verb == "STOU":
		f.checkUpload(e, after)
	case verb == "RETR":
		f.checkDownload(e)
	case verb == "LIST" || verb == "NLST" || verb == "MLSD":
		for line := range bytes.Lines(e.data) {
			if text, ok := bytes.CutSuffix(line, []byte("\r\n")); !ok || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q lists %q", e.line, line)
			}
		}
	}
	if f.in {
		return
	}
	for _, code := range e.finals {
		if code < 400 && !slices.Contains([]int{200, 211, 214, 215, 220, 221, 230, 331}, code) {
			t.Errorf("%q gets %d before a login", e.line, code)
		}
	}
	if changed {
		t.Errorf("%q changes %v to %v before a login", e.line, e.before, after)
	}
}

// checkUpload checks that one file has changed: it must consist of the sent data, after the beginning of the old file or of a resumable
// upload.
func (f *fuzzSession) checkUpload(e *exchange, after map[string]storetest.MemoryFile) {
	maps.DeleteFunc(after, func(name string, file storetest.MemoryFile) bool { return sameFile(file, e.before[name]) })
	sent := payload
	if f.ascii {
		sent = strings.ReplaceAll(payload, "\r\n", "\n")
	}
	for name, file := range after {
		kept, ok := strings.CutSuffix(string(file.Data), sent)
		if !ok || !strings.HasPrefix(string(e.before[name].Data), kept) && !strings.HasPrefix(string(e.broken[name]), kept) {
			f.script.t.Errorf("%q stores %q", e.line, file.Data)
		}
	}
	if len(after) != 1 {
		f.script.t.Errorf("%q changes %d files", e.line, len(after))
	}
}

// checkDownload checks that the received data is the end of a file.
func (f *fuzzSession) checkDownload(e *exchange) {
	for _, file := range e.before {
		text := string(file.Data)
		if f.ascii {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
		}
		if !file.IsDir() && strings.HasSuffix(text, string(e.data)) {
			return
		}
	}
	f.script.t.Errorf("%q sends %q", e.line, e.data)
}

// mayBeEmpty reports whether the transfer may have no data, so that an incomplete one cannot be told from a complete one.
func (f *fuzzSession) mayBeEmpty(e *exchange) bool {
	switch verb, _ := split(e.line); {
	case f.upload:
		return false
	case verb != "RETR" || f.rest:
		return true
	}
	for _, file := range e.before {
		if len(file.Data) == 0 && !file.IsDir() {
			return true
		}
	}
	return false
}

func sameFile(a, b storetest.MemoryFile) bool {
	return a.Name == b.Name && bytes.Equal(a.Data, b.Data) && a.Time.Equal(b.Time)
}

// files returns the files in the store.
func (f *fuzzSession) files() map[string]storetest.MemoryFile {
	f.script.store.Lock()
	defer f.script.store.Unlock()
	return maps.Clone(f.script.store.Files)
}

// resumable returns the resumable uploads in the store.
func (f *fuzzSession) resumable() map[string][]byte {
	f.script.store.Lock()
	defer f.script.store.Unlock()
	uploads := make(map[string][]byte)
	for name, half := range f.script.store.Resumable {
		uploads[name] = half
	}
	return uploads
}
