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

// A scriptedListener is a listener with the errors of Accept in a channel. When that is closed, Accept fails permanently.
type scriptedListener struct {
	accepts chan error
	closed  chan struct{}
}

var errPermanent = errors.New("the listener is broken")

func (l scriptedListener) Accept() (net.Conn, error) {
	select {
	case err, ok := <-l.accepts:
		if !ok {
			return nil, errPermanent
		}
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l scriptedListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l scriptedListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(serverAddr) }

// Serve retries Accept with increasing delays after temporary errors, and returns a permanent error.
func TestServeRetriesAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		l := scriptedListener{make(chan error, 20), make(chan struct{})}
		for range 10 {
			l.accepts <- syscall.EMFILE
		}
		close(l.accepts)
		begin := time.Now()
		if err := s.srv.Serve(t.Context(), l); err != errPermanent {
			t.Errorf("Serve returns %v", err)
		}
		// 5, 10, 20, ... 640 ms, 1 s, 1 s
		if took := time.Since(begin); took != 3275*time.Millisecond {
			t.Errorf("ten retries took %v, want 3.275s", took)
		}
	})
}

// When its context ends, Serve closes the listener and returns nil, also during the delay before a retry.
func TestServeEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		for _, accepts := range []int{0, 1} {
			ctx, cancel := context.WithCancel(t.Context())
			l := scriptedListener{make(chan error, 1), make(chan struct{})}
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
				t.Error("the listener is not closed")
			}
		}
	})
}

// When the listener fails, Serve ends its sessions before it returns.
func TestFailedListenerEndsSessions(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("C> NOOP\nS> 200 *")
		s.net.mu.Lock()
		l := s.net.listeners[serverAddr]
		s.net.mu.Unlock()
		s.serveErr = net.ErrClosed
		l.Close()
		s.play("S> 421 Server is shutting down, closing connection.\nS.")
	})
}

func TestTake(t *testing.T) {
	v := 5
	if a, b := take(&v), take(&v); a != 5 || b != 0 {
		t.Errorf("take returns %d, then %d; want 5, then 0", a, b)
	}
}
