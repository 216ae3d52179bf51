package ftp

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A listener whose Accept gives what is in its channel, and fails for good when that is closed.
type scripted struct {
	accepts chan error
	closed  chan struct{}
}

var errForGood = errors.New("the listener is broken")

func (l scripted) Accept() (net.Conn, error) {
	select {
	case err, ok := <-l.accepts:
		if !ok {
			return nil, errForGood
		}
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l scripted) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l scripted) Addr() net.Addr { return net.TCPAddrFromAddrPort(serverAddr) }

// TestAcceptFails: Serve tries again, ever slower, after what passes by, and returns what does not.
func TestAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		l := scripted{make(chan error, 20), make(chan struct{})}
		for range 10 {
			l.accepts <- syscall.EMFILE
		}
		close(l.accepts)
		begin := time.Now()
		if err := s.srv.Serve(t.Context(), l); err != errForGood {
			t.Errorf("Serve returns %v", err)
		}
		// 5, 10, 20, ... 640 ms, 1 s, 1 s
		if took := time.Since(begin); took != 3275*time.Millisecond {
			t.Errorf("ten failures took %v", took)
		}
	})
}

// TestServeEnds: a cancelled Serve returns nil, also while it waits to try again, and closes its listener.
func TestServeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		for _, accepts := range []int{0, 1} {
			ctx, cancel := context.WithCancel(t.Context())
			l := scripted{make(chan error, 1), make(chan struct{})}
			for range accepts {
				l.accepts <- syscall.EMFILE
			}
			done := make(chan error)
			go func() { done <- s.srv.Serve(ctx, l) }()
			synctest.Wait()
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Serve returns %v", err)
			}
			synctest.Wait()
			select {
			case <-l.closed:
			default:
				t.Error("the listener is open")
			}
		}
	})
}

// TestListenerFailsWithSessions: when the listener fails, Serve ends its sessions before it returns.
func TestListenerFailsWithSessions(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("C> NOOP\nS> 200 *")
		s.net.mu.Lock()
		l := s.net.listeners[serverAddr]
		s.net.mu.Unlock()
		s.ends = net.ErrClosed
		l.Close()
		s.play("S> 421 Server is shutting down, closing connection.\nS.")
	})
}

// TestTake: what was said is spent once.
func TestTake(t *testing.T) {
	v := 5
	if a, b := take(&v), take(&v); a != 5 || b != 0 {
		t.Errorf("%d, then %d", a, b)
	}
}
