package ftp

import (
	"fmt"
	"strings"
	"testing"
)

// abortWhen are the moments of a transfer at which the client aborts: what it does before, and what it hears. Of an upload that
// is aborted nothing is stored, however much of it there is; what has had its 226 stays.
var abortWhen = []struct {
	name   string
	before func(aborted) string
	heard  string
	whole  bool
}{
	{"without a transfer", func(aborted) string { return "" }, "S> 226 ABOR *", false},
	{"with a port", func(aborted) string { return "C> EPSV\nS> 229 *" }, "S> 226 ABOR *", false},
	{"before the data connection", aborted.begun, "S> 426 Transfer aborted.\nS> 226 ABOR *", false},
	{"during the transfer", aborted.halfWay, "S> 426 Transfer aborted.\nS> 226 ABOR *", false},
	{"at its end", aborted.atItsEnd, "S> 426 Transfer aborted.\nS> 226 ABOR *", false},
	{"after its reply", func(a aborted) string { return a.ended() + "\nS> 226 Transfer complete." }, "S> 226 ABOR *", true},
}

// aborted is a transfer's command, with the data that belong to it.
type aborted struct{ command, data string }

func (a aborted) uploads() bool { return a.command == "STOR new" || a.command == "APPE old" }

func (a aborted) begun() string { return "C> EPSV\nS> 229 *\nC> " + a.command + "\nS> 150 *" }

func (a aborted) halfWay() string {
	half, _, _ := strings.Cut(a.data, "|")
	return a.begun() + fmt.Sprintf("\nD= %q", half)
}

// ended has all of the data; an upload is then published after its grace.
func (a aborted) ended() string {
	return a.begun() + fmt.Sprintf("\nD= %q\nD.", strings.ReplaceAll(a.data, "|", ""))
}

// atItsEnd is the last moment in which an abort is heard: the grace of an upload, or a download whose client has not seen the end.
func (a aborted) atItsEnd() string {
	if a.uploads() {
		return a.ended()
	}
	return a.begun() + fmt.Sprintf("\nD= %q", strings.TrimSuffix(strings.ReplaceAll(a.data, "|", ""), "\n"))
}

// TestAbort: ABOR in band, or as Telnet's IP and Synch, at any moment of any transfer, in either type: the transfer and ABOR each
// have their reply (RFC 959, section 4.1.3), nothing half is stored, and the session goes on.
func TestAbort(t *testing.T) {
	for _, a := range []aborted{
		{"RETR old", "as it |was\r\n"}, {"STOR new", "one\r\n|two\r\n"}, {"APPE old", "one\r\n|two\r\n"},
		{"LIST d", "-rw-r--r-- 1 ftp| ftp          9 Jan  1 00:00 seen\r\n"}, {"NLST d", "d/se|en\r\n"},
		{"MLSD d", "type=file;|size=9;modify=20000101000000;perm=adfrw;unique=9-f17bb696; seen\r\n"},
	} {
		for _, kind := range []string{"A", "I"} {
			for how, abor := range map[string]string{"ABOR": `C> ABOR`, "Synch": `C= "\xff\xf4\xff\xf2abor\r\n"`} {
				for _, when := range abortWhen {
					t.Run(strings.Join([]string{a.command, kind, how, when.name}, " "), func(t *testing.T) {
						inBubble(t, func(s *script) { a.play(s, kind, abor, when.before(a), when.heard, when.whole) })
					})
				}
			}
		}
	}
}

func (a aborted) play(s *script, kind, abor, before, heard string, whole bool) {
	stored := func(text string) string {
		if kind == "A" {
			return strings.ReplaceAll(text, "\r\n", "\n")
		}
		return text
	}
	old, sent := stored("as it was\r\n"), stored(strings.ReplaceAll(a.data, "|", ""))
	s.play(fmt.Sprintf("<= /d/seen \"as it was\"\n<= /old %q\nC> TYPE %s\nS> 200 *", old, kind))
	s.play(before)
	s.play(abor)
	s.play(heard)
	s.play("C> NOOP\nS> 200 *\nC> EPSV\nS> 229 *\nC> NLST d\nS> 150 *\nD> d/seen\nD.\nS> 226 *\n=> /d/seen \"as it was\"")
	switch {
	case whole && a.command == "STOR new":
		s.play(fmt.Sprintf("=> /new %q", sent))
	case whole && a.command == "APPE old":
		old += sent
	}
	s.play(fmt.Sprintf("=> /old %q", old))
}
