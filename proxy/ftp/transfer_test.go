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

// TestQueuedBeforeMark: a NOOP that is there already when the data connection is about to open waits for the
// transfer's end, whichever of the two the session sees first; hence many rounds.
func TestQueuedBeforeMark(t *testing.T) {
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
			said := make(chan string, 2)
			go func() {
				defer close(said)
				for in := bufio.NewScanner(client); in.Scan(); {
					said <- in.Text()
				}
			}()
			synctest.Wait() // both are ready
			a := attendance{session: s, lines: s.lines, cancel: func(error) {}}
			if err := a.attend(marks, done); err != nil {
				t.Error(err)
			}
			server.Close()
			if first, more := <-said, len(said); first != "150 Here it comes." || more > 0 {
				t.Errorf("the server says %q, and %d lines more", first, more)
			}
			if len(s.pending) != 1 || s.pending[0].text != "NOOP" {
				t.Errorf("%v waits, want NOOP", s.pending)
			}
		})
	}
}

// TestPanicInTransfer: a panic in the middle of a transfer resets its data connection and ends its session alone.
func TestPanicInTransfer(t *testing.T) {
	withPut(t, func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		r.Read(make([]byte, 1))
		panic("a mistake")
	}, "2\nC> NOOP\nS> 200 *\n1\n"+begin+"D= \"h\"\nS> 421 *\nS.\nS!\n2\nC> NOOP\nS> 200 *\nC> REIN\nS> 220 *")
}

// TestPanicFreesPlace: what the session held is given back.
func TestPanicFreesPlace(t *testing.T) {
	inBubble(t, func(s *script) {
		s.srv.Sessions.MaxPerUser = 1
		s.play("<= /a \"x\"\n! fail /a panic\nC> SIZE a\nS> 421 *\nS.\n2\nC> NOOP\nS> 200 *")
		s.silence()
		if n, _ := s.srv.Sessions.Running(); n != 1 {
			t.Errorf("%d sessions are counted, want 1", n)
		}
	})
}
