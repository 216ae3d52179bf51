package ftp

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzSession: a client that says any command of the table with any argument, and plays along with transfers in any way, gets one
// well-formed final reply to each line. Nothing of use comes before a login. The store changes by a command that says so, and by
// no other: an upload has its 226 if, and only if, it is there whole, and a download that has one is whole as well.
func FuzzSession(f *testing.F) {
	for _, seed := range sessions {
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
			s.deaf, s.login = true, false
			s.store.files["/a"] = memFile{"/a", []byte("one\ntwo\n"), time.Now()}
			s.store.files["/d/b.txt"] = memFile{"/d/b.txt", []byte("\r\nb\x00\xff"), time.Now()}
			stop := s.serve()
			defer stop()
			s.turn(1)
			newFuzzSession(s).run((*program)(&in))
		})
	})
}

// changes are the commands that may change what the store holds, each with the reply that says so.
var changes = map[string]int{"STOR": 226, "STOU": 226, "APPE": 226, "DELE": 250, "RMD": 250, "XRMD": 250, "RNTO": 250,
	"MKD": 257, "XMKD": 257, "MFMT": 213, "SITE": 200}

// An exchange is one line, what went over its data connection, and the replies to it and to what was said meanwhile.
type exchange struct {
	line   string
	how    play
	data   []byte // received
	cut    error  // why that is not all, in MODE Z
	begun  bool   // 150 was said
	chat   int    // lines that are answered before the transfer's own reply
	finals []int
	before map[string]memFile
	broken map[string][]byte
}

// own is the code of the reply to the line itself, 0 if there is none.
func (e *exchange) own() int {
	if len(e.finals) <= e.chat {
		return 0
	}
	return e.finals[e.chat]
}

// judge checks what an exchange has changed.
func (f *fuzzSession) judge(e *exchange) {
	t, after := f.script.t, f.files()
	verb, _ := split(e.line)
	changed := !maps.EqualFunc(e.before, after, sameFile)
	switch {
	case changed && changes[verb] != e.own():
		t.Errorf("%q, %s, has the replies %d and changes %v to %v", e.line, e.how.name, e.finals, e.before, after)
	case e.begun && e.own() == 226 && e.how.breaks && !f.mayBeEmpty(e):
		t.Errorf("%q, %s, has the replies %d", e.line, e.how.name, e.finals)
	case e.own() != 226:
	case e.cut != nil:
		t.Errorf("%q sends a zlib stream without an end: %v", e.line, e.cut)
	case verb == "STOR" || verb == "APPE" || verb == "STOU":
		f.judgeUpload(e, after)
	case verb == "RETR":
		f.judgeDownload(e)
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
			t.Errorf("%q has %d before a login", e.line, code)
		}
	}
	if changed {
		t.Errorf("%q changes %v to %v before a login", e.line, e.before, after)
	}
}

// judgeUpload: one file has changed, and it is what was sent, behind what was kept of the old one or of an upload that broke.
func (f *fuzzSession) judgeUpload(e *exchange, after map[string]memFile) {
	maps.DeleteFunc(after, func(name string, file memFile) bool { return sameFile(file, e.before[name]) })
	sent := payload
	if f.ascii {
		sent = strings.ReplaceAll(payload, "\r\n", "\n")
	}
	for name, file := range after {
		kept, ok := strings.CutSuffix(string(file.data), sent)
		if !ok || !strings.HasPrefix(string(e.before[name].data), kept) && !strings.HasPrefix(string(e.broken[name]), kept) {
			f.script.t.Errorf("%q stores %q", e.line, file.data)
		}
	}
	if len(after) != 1 {
		f.script.t.Errorf("%q changes %d files", e.line, len(after))
	}
}

// judgeDownload: some file ends in what was received.
func (f *fuzzSession) judgeDownload(e *exchange) {
	for _, file := range e.before {
		text := string(file.data)
		if f.ascii {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
		}
		if !file.IsDir() && strings.HasSuffix(text, string(e.data)) {
			return
		}
	}
	f.script.t.Errorf("%q sends %q", e.line, e.data)
}

// mayBeEmpty says whether nothing may have been sent, and so nothing have been broken off.
func (f *fuzzSession) mayBeEmpty(e *exchange) bool {
	switch verb, _ := split(e.line); {
	case f.upload:
		return false
	case verb != "RETR" || f.rest:
		return true
	}
	for _, file := range e.before {
		if len(file.data) == 0 && !file.IsDir() {
			return true
		}
	}
	return false
}

func sameFile(a, b memFile) bool {
	return a.name == b.name && bytes.Equal(a.data, b.data) && a.time.Equal(b.time)
}

// files is what the store holds now.
func (f *fuzzSession) files() map[string]memFile {
	f.script.store.mu.Lock()
	defer f.script.store.mu.Unlock()
	return maps.Clone(f.script.store.files)
}

// halves are the uploads that broke.
func (f *fuzzSession) halves() map[string][]byte {
	f.script.store.mu.Lock()
	defer f.script.store.mu.Unlock()
	halves := make(map[string][]byte)
	for name, half := range f.script.store.broken {
		halves[name] = half
	}
	return halves
}
