package ftp

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTranscripts plays the dialogues in testdata, in the notation that RFC 3659 has for its examples.
//
//	# a comment               what the dialogue is about; the first says which clause of which RFC
//	! max-sessions 1          how the server is set up, see script.option
//	<= /name "content"        a file that is there before; /dir/ is a directory; a name may be in Go's notation too
//	C> STOR a                 the client says; C= "raw\n" in Go's notation, without an end of line of its own
//	C+ 5000 STOR              STOR and a name of so many bytes
//	S> 150 *                  the server says at once; * stands for anything; S= "150 \xe9*" the same in Go's notation
//	S.                        the server hangs up
//	S-                        the server has nothing to say for now; S! it has reset the data connection
//	D> one line               a line over the data connection, to or from the client
//	D= "raw\n"                bytes, in Go's notation
//	D.                        the data connection ends; D! it is reset; D~ the client breaks off a download
//	                          after "! zlib", data is compressed by the client, or inflated, with the end that is due to a D. only
//	D|                        the data connection ends without close_notify, by TCP's end alone
//	H>                        the client shakes hands on the control connection; H- it does not
//	H!                        the client connects and shakes hands on the data connection, if it can
//	T> 5m                     time passes
//	C.                        the client hangs up
//	2                         the second client takes over (it connects and logs in); 1 the first again; 6 has IPv6
//	=> /name "content"        what is there at the end, all of it, in order; a bare => when there is nothing
//
// The first client is logged in already unless the set-up says "login no". The data connection is made with
// its first D line. A reply that the transcript does not have fails it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.ftp")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d transcripts, %v; want 60 at least", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".ftp"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			inBubble(t, func(s *script) { s.play(string(text)) })
		})
	}
}

// inBubble runs a server and its clients in a bubble, in which time passes at once.
func inBubble(t *testing.T, f func(*script)) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		stop := s.serve()
		defer stop()
		f(s)
		s.silence()
		stop()
		s.compare()
	})
}

// play plays a transcript, or a part of one.
func (s *script) play(text string) {
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		s.line++
		s.step(strings.TrimLeft(line, "\t"))
	}
}

func (s *script) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("line %d: %s", s.line, fmt.Sprintf(format, args...))
}

// step plays one line.
func (s *script) step(line string) {
	mark, arg, _ := strings.Cut(line, " ")
	switch mark {
	case "", "#":
		return
	case "!":
		s.option(arg)
		return
	case "<=":
		name, content := s.entry(arg)
		s.store.files[name] = memFile{name, []byte(content), time.Now()}
		return
	case "=>":
		s.after = append(s.after, strings.TrimSpace(arg))
		return
	case "T>":
		<-time.After(s.duration(arg)) // in the time of the bubble, which passes at once
		synctest.Wait()
		return
	case "1", "2", "3", "6":
		s.turn(int(mark[0] - '0'))
		return
	}
	if s.testClient == nil {
		s.turn(1)
	}
	s.talk(mark, arg)
}

// entry reads /name "content", or "/name" "content".
func (s *script) entry(arg string) (name, content string) {
	name, quoted, found := strings.Cut(arg, ` "`)
	if strings.HasPrefix(name, `"`) {
		name = s.unquote(name)
	}
	if found {
		content = s.unquote(`"` + quoted)
	}
	return name, content
}

func (s *script) unquote(text string) string {
	text, err := strconv.Unquote(text)
	if err != nil {
		s.fatalf("%v", err)
	}
	return text
}

// silence fails if the server has said what no S line has taken, to a client that is still there.
func (s *script) silence() {
	synctest.Wait()
	for _, c := range s.who {
		if c == nil || c.left {
			continue
		}
		select {
		case got, open := <-c.replies:
			if open {
				s.fatalf("the server says %q as well", got)
			}
		default:
		}
	}
}

// compare compares what the store holds with the => lines.
func (s *script) compare() {
	if s.after == nil {
		return
	}
	var got []string
	for _, name := range slices.Sorted(maps.Keys(s.store.files)) {
		if f := s.store.files[name]; f.IsDir() {
			got = append(got, name)
		} else {
			got = append(got, fmt.Sprintf("%s %q", name, f.data))
		}
	}
	want := slices.DeleteFunc(s.after, func(l string) bool { return l == "" })
	same := func(got, want string) bool { // a * stands for the name that the server has chosen
		before, after, chosen := strings.Cut(want, "-*")
		return got == want || chosen && strings.HasPrefix(got, before+"-") && strings.HasSuffix(got, after)
	}
	if !slices.EqualFunc(got, want, same) {
		s.t.Errorf("the store holds\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// TestTranscriptsEnd: a transcript whose commands may change the store says what that holds at the end.
func TestTranscriptsEnd(t *testing.T) {
	changes := regexp.MustCompile(`(?im)^C> *(STOR|STOU|APPE|DELE|X?MKD|X?RMD|RNTO|MFMT|SITE UTIME)\b`)
	says := regexp.MustCompile(`(?m)^=>`)
	files, err := filepath.Glob("testdata/*.ftp")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if changes.Match(text) && !says.Match(text) {
			t.Errorf("%s has no => line", file)
		}
	}
}
