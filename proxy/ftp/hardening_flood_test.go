package ftp

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Clients that send single bytes slowly are disconnected after lineTimeout. Until then they use up the sessions of their own address only.
func TestSlowLoris(t *testing.T) {
	const pause = 5 * time.Second // before each byte
	inBubble(t, func(s *script) {
		s.play("! login no\n! max-sessions-per-ip 50")
		gone := make(chan time.Duration, 50)
		for n := range cap(gone) {
			c := s.connect(10 + n)
			go func() {
				defer c.closeControl()
				gone <- c.trickle(t, "USER a-name-that-takes-long", pause)
			}()
			synctest.Wait()
		}
		s.play("2\nS> 421 *\nS.\n6\nS> 220 *\nC> USER test\nS> 331 *\nC> PASS secret\nS> 230 *")
		for range cap(gone) {
			if took := <-gone; took != pause+lineTimeout {
				t.Errorf("a client that sends bytes slowly is disconnected after %v, want %v", took, pause+lineTimeout)
			}
		}
		s.play("3\nS> 220 *")
	})
}

// trickle sends text byte by byte until the server closes the connection, and returns how long that took.
func (c *testClient) trickle(t *testing.T, text string, pause time.Duration) time.Duration {
	begin, last := time.Now(), ""
	for {
		select {
		case got, open := <-c.replies:
			if open {
				last = got
				continue
			}
			if want := strings.TrimSuffix(errLineTimeout.String(), "\n"); last != want {
				t.Errorf("the last reply is %q, want %q", last, want)
			}
			return time.Since(begin)
		case <-time.After(pause):
			if text != "" {
				io.WriteString(c.conn, text[:1])
				text = text[1:]
			}
		}
	}
}

// Ten thousand pipelined commands are answered in order.
func TestManyPipelinedCommands(t *testing.T) {
	const commands = 10_000
	inBubble(t, func(s *script) {
		s.switchTo(1)
		go func() {
			for i := range commands {
				text := "NOOP\r\n"
				if i%100 == 99 {
					text = fmt.Sprintf("MKD %d\r\n", i)
				}
				if _, err := io.WriteString(s.conn, text); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		for i := range commands {
			want := "200 OK.\r"
			if i%100 == 99 {
				want = fmt.Sprintf("257 \"/%d\" *\r", i)
			}
			if got, open := <-s.replies; !open || !matches(want, got) {
				t.Fatalf("reply %d is %q, want %q", i, got, want)
			}
		}
	})
}

// During a transfer the server reads 64 commands ahead, to find an ABOR after them, and 64 into its queue. Then it stops reading, so that
// TCP stops the client. All commands are answered after the transfer, in order.
func TestManyPipelinedCommandsDuringTransfer(t *testing.T) {
	const commands = 10_000
	inBubble(t, func(s *script) {
		s.play("<= /0 \"\"\nC> EPSV\nS> 229 *\nC> STOR a\nS> 150 *\nD= \"hel\"")
		var taken atomic.Int64
		go func() {
			for i := range commands {
				if _, err := fmt.Fprintf(s.conn, "SIZE %d\r\n", i); err != nil {
					t.Error(err)
					return
				}
				taken.Add(1)
			}
		}()
		synctest.Wait()
		<-time.After(time.Minute)
		// Commands read ahead, those in the queue, and one in the reading goroutine.
		if n := taken.Load(); n != 2*maxQueued+1 || maxQueued != 64 {
			t.Errorf("the server reads %d lines during a transfer, want 129", n)
		}
		s.play("S-\nD= \"lo\"\nD.\nS> 226 *\nS> 213 0")
		for range commands - 1 {
			if got := <-s.replies; !strings.HasPrefix(got, "550 ") {
				t.Fatalf("%q, want 550", got)
			}
		}
		s.play("C> SIZE a\nS> 213 5\n=> /0 \"\"\n=> /a \"hello\"")
	})
}

// A client that does not read its replies loses its session and its upload after controlWriteTimeout.
func TestClientThatReadsNoRepliesIsDisconnected(t *testing.T) {
	for _, before := range []string{"C> NOOP\nS> 200 *", "C> EPSV\nS> 229 *\nC> STOR a\nS> 150 *\nD= \"hel\""} {
		inBubble(t, func(s *script) {
			s.play("=>\n" + before)
			begin := time.Now()
			for { // until the client's buffers are full
				if _, err := io.WriteString(s.conn, "NOOP\r\n"); err != nil {
					break
				}
			}
			if took := time.Since(begin); took != controlWriteTimeout {
				t.Errorf("the session ended after %v, want %v", took, controlWriteTimeout)
			}
			answered := 0
			for range s.replies {
				answered++
			}
			if answered < cap(s.replies) {
				t.Errorf("%d replies, want at least %d", answered, cap(s.replies))
			}
			if s.data != nil {
				s.data.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := s.data.Write([]byte("lo")); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Write on the data connection of an ended session: %v, want that it is closed", err)
				}
			}
		})
	}
}
