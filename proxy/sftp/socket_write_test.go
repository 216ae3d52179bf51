package sftp

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

// newTestSocket returns a socket, and the client's end.
func newTestSocket(limit int) (*socket, *memConn) {
	client, server := newMemConn(netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:22"), limit)
	s := newSocket(server, func(error) {})
	s.unread = newUnread(budget.New(0))
	return s, client
}

// sentOn returns how many bytes a test socket has sent.
func sentOn(s *socket) int {
	out := s.Conn.(*memConn).out
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.total
}

// Package ssh writes a packet in pieces of which the first fills its buffer. That one is sent with the next.
func TestFirstPieceIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := newTestSocket(1 << 20)
		first, second := bytes.Repeat([]byte("a"), sshBuffer), bytes.Repeat([]byte("b"), 30000)
		for range 3 {
			if n, err := s.Write(first); n != len(first) || err != nil {
				t.Fatal(n, err)
			}
			before := sentOn(s)
			if n, err := s.Write(second); n != len(second) || err != nil {
				t.Fatal(n, err)
			}
			if sent := sentOn(s) - before; sent != len(first)+len(second) {
				t.Errorf("%d bytes were sent with the second piece, want %d", sent, len(first)+len(second))
			}
			got := make([]byte, len(first)+len(second))
			if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, append(bytes.Clone(first), second...)) {
				t.Errorf("the client gets other bytes; %v", err)
			}
		}
	})
}

// A packet may be as large as the buffer. Nothing comes after it then.
func TestHeldPieceIsSentAlone(t *testing.T) {
	for name, then := range map[string]func(s *socket){
		"soon":     func(*socket) { <-time.After(2 * holdTime) },
		"at close": func(s *socket) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newTestSocket(1 << 20)
				for i := range 2 {
					s.Write(make([]byte, sshBuffer))
					then(s)
					if sent := sentOn(s); sent != (i+1)*sshBuffer {
						t.Fatalf("%d bytes were sent after piece %d", sent, i)
					}
					if s.endCause() != nil {
						break
					}
				}
			})
		})
	}
}

// A client that takes nothing ends the connection, whichever goroutine writes.
func TestHeldPieceStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		s, _ := newTestSocket(1000)
		s.kill = context.CancelCauseFunc(func(err error) { ended <- err })
		begin := time.Now()
		s.Write(make([]byte, sshBuffer))
		if err := <-ended; err != errClientStalled {
			t.Errorf("the connection ended by %v", err)
		}
		if d := time.Since(begin); d > 2*replyTimeout+holdTime {
			t.Errorf("it ended after %v", d)
		}
		if n, err := s.Write(make([]byte, 100)); n != 0 || err != errClientStalled {
			t.Errorf("a write after that: %d, %v", n, err)
		}
	})
}
