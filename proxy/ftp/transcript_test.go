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

	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTranscripts plays the transcripts in testdata. Their notation is that of the examples in RFC 3659:
//
//	# a comment               the first line of a transcript says what it tests, and names the section of the RFC
//	! max-sessions 1          configures the server or the client, see script.option
//	<= /name "content"        a file in the store at the start; /dir/ is a directory; the name may be a quoted Go string
//	C> STOR a                 the client sends a line; C= "raw\n" sends a quoted Go string, without a line end of its own
//	C+ 5000 STOR              the client sends STOR and a name of 5,000 bytes
//	S> 150 *                  the server sends a line at once; * matches any text; S= "150 \xe9*" is a quoted Go string
//	S.                        the server closes the control connection
//	S-                        the server sends nothing now
//	S!                        the server has reset the data connection
//	D> one line               a line on the data connection, from or to the client
//	D= "raw\n"                bytes on the data connection, as a quoted Go string
//	D.                        the sender closes the data connection
//	D!                        the sender resets the data connection
//	D~                        the client closes the data connection before the end of a download
//	D|                        the client closes the data connection without close_notify
//	H>                        the client performs the TLS handshake on the control connection; H- it does not
//	H!                        the client connects and attempts the TLS handshake on the data connection
//	T> 5m                     time passes
//	C.                        the client closes the control connection
//	2                         the next lines are of client 2, which connects and logs in first; 1 is the first client, 6 has IPv6
//	=> /name "content"        the files in the store at the end, sorted and complete; => alone means none
//
// The first client is logged in, unless the transcript has "! login no". The client opens the data connection at its first D
// line. After "! zlib", the client compresses the data that it sends and decompresses the data that it receives; D. is then the end
// of the zlib stream too. A reply that is not in the transcript is an error.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.ftp")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d transcripts, %v; want at least 60", len(files), err)
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

// inBubble runs a server and its clients in a synctest bubble.
func inBubble(t *testing.T, f func(*script)) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		stop := s.serve()
		defer stop()
		f(s)
		s.expectSilence()
		stop()
		s.compareFiles()
	})
}

// play plays a transcript, or a part of one.
func (s *script) play(text string) {
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		s.line++
		s.playLine(strings.TrimLeft(line, "\t"))
	}
}

func (s *script) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("line %d: %s", s.line, fmt.Sprintf(format, args...))
}

// playLine plays one line.
func (s *script) playLine(line string) {
	mark, arg, _ := strings.Cut(line, " ")
	switch mark {
	case "", "#":
		return
	case "!":
		s.option(arg)
		return
	case "<=":
		name, content := s.entry(arg)
		s.store.Files[name] = storetest.MemoryFile{Name: name, Data: []byte(content), Time: time.Now()}
		return
	case "=>":
		s.wantFiles = append(s.wantFiles, strings.TrimSpace(arg))
		return
	case "T>":
		<-time.After(s.duration(arg)) // in the fake time of the bubble
		synctest.Wait()
		return
	case "1", "2", "3", "6":
		s.switchTo(int(mark[0] - '0'))
		return
	}
	if s.testClient == nil {
		s.switchTo(1)
	}
	s.playIO(mark, arg)
}

// entry parses /name "content", or "/name" "content".
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

// expectSilence fails the test if a client that is still connected has received lines that no S line expected.
func (s *script) expectSilence() {
	synctest.Wait()
	for _, c := range s.clients {
		if c == nil || c.closed {
			continue
		}
		select {
		case got, open := <-c.replies:
			if open {
				s.fatalf("unexpected reply %q", got)
			}
		default:
		}
	}
}

// compareFiles compares the files in the store with the => lines.
func (s *script) compareFiles() {
	if s.wantFiles == nil {
		return
	}
	var got []string
	for _, name := range slices.Sorted(maps.Keys(s.store.Files)) {
		if f := s.store.Files[name]; f.IsDir() {
			got = append(got, name)
		} else {
			got = append(got, fmt.Sprintf("%s %q", name, f.Data))
		}
	}
	want := slices.DeleteFunc(s.wantFiles, func(l string) bool { return l == "" })
	same := func(got, want string) bool { // -* matches the random part of a name chosen by the server
		before, after, chosen := strings.Cut(want, "-*")
		return got == want || chosen && strings.HasPrefix(got, before+"-") && strings.HasSuffix(got, after)
	}
	if !slices.EqualFunc(got, want, same) {
		s.t.Errorf("the store has\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// A transcript with commands that may change the store must have => lines.
func TestTranscriptsCompareStore(t *testing.T) {
	changes := regexp.MustCompile(`(?im)^C> *(STOR|STOU|APPE|DELE|X?MKD|X?RMD|RNTO|MFMT|SITE UTIME)\b`)
	compares := regexp.MustCompile(`(?m)^=>`)
	files, err := filepath.Glob("testdata/*.ftp")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if changes.Match(text) && !compares.Match(text) {
			t.Errorf("%s has no => line", file)
		}
	}
}
