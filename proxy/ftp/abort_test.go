package ftp

import (
	"fmt"
	"strings"
	"testing"
)

// abortTimes are the times at which the client aborts a transfer: the steps before ABOR, and the replies to it. An aborted upload
// must store nothing, even if all its data was sent. A file that was confirmed with 226 must stay.
var abortTimes = []struct {
	name    string
	before  func(abortTest) string
	replies string
	stored  bool
}{
	{"without a transfer", func(abortTest) string { return "" }, "S> 226 ABOR *", false},
	{"after EPSV", func(abortTest) string { return "C> EPSV\nS> 229 *" }, "S> 226 ABOR *", false},
	{"before the data connection", abortTest.start, "S> 426 Transfer aborted.\nS> 226 ABOR *", false},
	{"during the transfer", abortTest.sendHalf, "S> 426 Transfer aborted.\nS> 226 ABOR *", false},
	{"at its end", abortTest.sendAllButEnd, "S> 426 Transfer aborted.\nS> 226 ABOR *", false},
	{"after its reply", func(a abortTest) string { return a.sendAll() + "\nS> 226 Transfer complete." }, "S> 226 ABOR *", true},
}

// An abortTest is a command of a transfer and its data, with a | in the middle.
type abortTest struct{ command, data string }

func (a abortTest) isUpload() bool { return a.command == "STOR new" || a.command == "APPE old" }

func (a abortTest) start() string { return "C> EPSV\nS> 229 *\nC> " + a.command + "\nS> 150 *" }

func (a abortTest) sendHalf() string {
	half, _, _ := strings.Cut(a.data, "|")
	return a.start() + fmt.Sprintf("\nD= %q", half)
}

// sendAll sends all data and its end. An upload is published after the grace period.
func (a abortTest) sendAll() string {
	return a.start() + fmt.Sprintf("\nD= %q\nD.", strings.ReplaceAll(a.data, "|", ""))
}

// sendAllButEnd is the last moment for ABOR: the grace period of an upload, or before the client has read the end of a download.
func (a abortTest) sendAllButEnd() string {
	if a.isUpload() {
		return a.sendAll()
	}
	return a.start() + fmt.Sprintf("\nD= %q", strings.TrimSuffix(strings.ReplaceAll(a.data, "|", ""), "\n"))
}

// After ABOR, sent alone or with Telnet's IP and Synch, at any time of any transfer, the transfer and ABOR each get a reply
// (RFC 959, section 4.1.3), an incomplete file is not stored, and the session continues.
func TestAbort(t *testing.T) {
	for _, a := range []abortTest{
		{"RETR old", "as it |was\r\n"}, {"STOR new", "one\r\n|two\r\n"}, {"APPE old", "one\r\n|two\r\n"},
		{"LIST d", "-rw-r--r-- 1 ftp| ftp          9 Jan  1 00:00 seen\r\n"}, {"NLST d", "d/se|en\r\n"},
		{"MLSD d", "type=file;|size=9;modify=20000101000000;perm=adfrw;unique=9-f17bb696; seen\r\n"},
	} {
		for _, kind := range []string{"A", "I"} {
			for how, abor := range map[string]string{"ABOR": `C> ABOR`, "Synch": `C= "\xff\xf4\xff\xf2abor\r\n"`} {
				for _, at := range abortTimes {
					t.Run(strings.Join([]string{a.command, kind, how, at.name}, " "), func(t *testing.T) {
						inBubble(t, func(s *script) { a.play(s, kind, abor, at.before(a), at.replies, at.stored) })
					})
				}
			}
		}
	}
}

func (a abortTest) play(s *script, kind, abor, before, replies string, isStored bool) {
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
	s.play(replies)
	s.play("C> NOOP\nS> 200 *\nC> EPSV\nS> 229 *\nC> NLST d\nS> 150 *\nD> d/seen\nD.\nS> 226 *\n=> /d/seen \"as it was\"")
	switch {
	case isStored && a.command == "STOR new":
		s.play(fmt.Sprintf("=> /new %q", sent))
	case isStored && a.command == "APPE old":
		old += sent
	}
	s.play(fmt.Sprintf("=> /old %q", old))
}
