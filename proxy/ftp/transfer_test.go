package ftp

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A NOOP that is queued before the 150 is answered after the transfer. The select of the session may see either first, so the test
// has many rounds.
func TestNoopQueuedBefore150(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			queue, marks, done := newCommandQueue(), make(chan reply), make(chan error, 1)
			s := &session{conn: server, queue: queue, lines: queue.lines}
			queue.lines <- &line{text: "NOOP"}
			go func() {
				marks <- reply{150, "Here it comes."}
				done <- nil
			}()
			sent := make(chan string, 2)
			go func() {
				defer close(sent)
				for in := bufio.NewScanner(client); in.Scan(); {
					sent <- in.Text()
				}
			}()
			synctest.Wait() // both are ready
			a := clientMonitor{session: s, lines: s.lines, cancel: func(error) {}}
			if err := a.watch(marks, done); err != nil {
				t.Error(err)
			}
			server.Close()
			if first, more := <-sent, len(sent); first != "150 Here it comes." || more > 0 {
				t.Errorf("the server sends %q and %d more lines, want only the 150", first, more)
			}
			if len(s.pending) != 1 || s.pending[0].text != "NOOP" {
				t.Errorf("pending commands are %v, want NOOP", s.pending)
			}
		})
	}
}

// A panic during a transfer resets the data connection and ends this session only.
func TestPanicInTransfer(t *testing.T) {
	withPut(t, func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		r.Read(make([]byte, 1))
		panic("a bug")
	}, "2\nC> NOOP\nS> 200 *\n1\n"+begin+"D= \"h\"\nS> 421 *\nS.\nS!\n2\nC> NOOP\nS> 200 *\nC> REIN\nS> 220 *")
}

// A session that ended with a panic no longer counts for the limits.
func TestPanicEndsCountingOfSession(t *testing.T) {
	inBubble(t, func(s *script) {
		s.srv.Sessions.MaxPerUser = 1
		s.play("<= /a \"x\"\n! fail /a panic\nC> SIZE a\nS> 421 *\nS.\n2\nC> NOOP\nS> 200 *")
		s.expectSilence()
		if n, _ := s.srv.Sessions.Running(); n != 1 {
			t.Errorf("%d sessions count, want 1", n)
		}
	})
}
