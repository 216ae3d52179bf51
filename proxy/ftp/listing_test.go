package ftp

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A data connection that is established before the store yields the first entry is kept open, for longer than the data timeout.
func TestDataConnectionWaitsForFirstEntry(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play(`
			<= /d/a "x"
			! slow /d 25s
			C> EPSV
			S> 229 *
			C> NLST d
			S-`)
		s.connectData(false)
		s.play(`
			T> 24s
			S-
			T> 1s
			S> 150 *
			D> d/a
			D.
			S> 226 *`)
	})
}

// The data connection of a refused transfer stays open until the next command, or for 2 s. Otherwise curl, which starts TLS on it at
// once, reports the end of the connection instead of the reply.
func TestDataConnectionStaysOpenAfterRefusal(t *testing.T) {
	for text, more := range map[string]string{
		"LIST none":   "C> NOOP\nS> 200 *",
		"NLST none":   "T> 2s",
		"MLSD none":   "C> EPSV\nS> 229 *",
		"RETR none":   "T> 2s",
		"MLSD down":   "C> QUIT\nS> 221 *\nS.",
		"LIST down":   "C> REIN\nS> 220 *",
		"RETR down":   "C> PASV\nS> 227 *",
		"APPE down/x": "C> ABOR\nS> 226 *",
	} {
		t.Run(text, func(t *testing.T) {
			inBubble(t, func(s *script) {
				s.play("! fail /down down\n! fail /down/x down\nC> EPSV\nS> 229 *\nC> NOOP\nS> 200 *")
				s.connectData(false)
				data := s.data
				s.send("C>", text)
				s.play("S> *\nT> 1900ms")
				if !isOpen(data) {
					t.Fatal("the data connection was closed at once")
				}
				s.play(more)
				if isOpen(data) {
					t.Error("the data connection is not closed later")
				}
			})
		})
	}
}

func isOpen(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now())
	synctest.Wait()
	_, err := conn.Read(make([]byte, 1))
	return err != nil && os.IsTimeout(err)
}

// After a refused transfer without a data connection, the next command frees the passive port.
func TestRefusalFreesPassivePort(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! passive-ports 60000\nC> EPSV\nS> 229 *\nC> LIST none\nS> 550 *")
		for range 3 {
			s.play("C> EPSV\nS> 229 *\nC> LIST none\nS> 550 *")
		}
		s.play("C> NOOP\nS> 200 *")
		if open := s.passivePorts(); len(open) > 0 {
			t.Errorf("the server listens on %v", open)
		}
	})
}

func TestCutFlags(t *testing.T) {
	for arg, want := range map[string][2]string{
		"":           {},
		"-la":        {"-la"},
		"-l -a":      {"-l-a"},
		"-la  dir":   {"-la", "dir"},
		"dir -la":    {"", "dir -la"},
		"-- -dir":    {"--", "-dir"},
		"-l -- -a b": {"-l--", "-a b"},
		"--":         {"--"},
		"-":          {"", "-"},
		"a-b":        {"", "a-b"},
		"-l a b":     {"-l", "a b"},
		" -l":        {"-l"},
		"  -1F  x ":  {"-1F", "x "},
		" x":         {"", " x"},
		"   ":        {},
		"-la/dir":    {"", "-la/dir"},
		"-2026.csv":  {"", "-2026.csv"},
		"-l -a*":     {"-l", "-a*"},
	} {
		if flags, path := cutFlags(arg); [2]string{flags, path} != want {
			t.Errorf("%q: %q and %q, want %q", arg, flags, path, want)
		}
	}
}
