package proxy

import (
	"bufio"
	"net"
	"testing"
	"testing/synctest"
)

// TestQueuedBeforeMark: a NOOP that is there already when the data connection is about to open waits for the
// transfer's end, whichever of the two the session sees first; hence many rounds.
func TestQueuedBeforeMark(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			lines, marks, done := make(chan *line, 1), make(chan reply), make(chan error, 1)
			s := &session{conn: server, lines: lines}
			lines <- &line{text: "NOOP"}
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
			if err := s.attend(func(error) {}, marks, done); err != nil {
				t.Error(err)
			}
			server.Close()
			if first, more := <-said, len(said); first != "150 Here it comes." || more > 0 {
				t.Errorf("the server says %q, and %d lines more", first, more)
			}
			if s.pending == nil || s.pending.text != "NOOP" {
				t.Errorf("%v waits, want NOOP", s.pending)
			}
		})
	}
}
