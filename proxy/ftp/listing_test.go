package ftp

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestListClientIsEarly: a data connection that comes before the first page waits for it, longer than one that does not come may.
func TestListClientIsEarly(t *testing.T) {
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

// TestRefusalBeforeReset: the data connection of a transfer that is refused stays open until the client has had time for the reply,
// or says more: curl, which begins TLS on it at once, would report the end of it in place of the reply.
func TestRefusalBeforeReset(t *testing.T) {
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
				s.say("C>", text)
				s.play("S> *\nT> 1900ms")
				if !isOpen(data) {
					t.Fatal("the data connection has ended before the client can have seen the reply")
				}
				s.play(more)
				if isOpen(data) {
					t.Error("the data connection stays open")
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

// TestRefusalFreesPort: a passive port whose client has not come is free again when the next command comes.
func TestRefusalFreesPort(t *testing.T) {
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
