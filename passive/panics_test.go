package passive

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A panickyConn panics in RemoteAddr.
type panickyConn struct{ net.Conn }

func (panickyConn) RemoteAddr() net.Addr { panic("bug in RemoteAddr") }

// A faultyListener accepts a panickyConn first, and may panic in Close.
type faultyListener struct {
	net.Listener
	first, closes atomic.Bool
	panickyConn   net.Conn
}

func (l *faultyListener) Accept() (net.Conn, error) {
	if l.panickyConn != nil && !l.first.Swap(true) {
		return panickyConn{l.panickyConn}, nil
	}
	return l.Listener.Accept()
}

func (l *faultyListener) Close() error {
	err := l.Listener.Close()
	if l.closes.Swap(false) {
		panic("bug in Close")
	}
	return err
}

// A panic while a connection is handled is logged, drops this connection and ends no wait.
func TestPanicDropsOneConnection(t *testing.T) {
	for _, where := range []string{"Identify", "RemoteAddr"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				m := newMemoryNet()
				p := newPorts(m, 1)
				p.Log = logTo(&log)
				clientEnd, serverEnd := net.Pipe()
				shown := identify
				if where == "RemoteAddr" {
					p.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
						l, err := m.listen(ctx, network, address)
						return &faultyListener{Listener: l, panickyConn: serverEnd}, err
					}
				} else {
					var again atomic.Bool
					shown = func(ctx context.Context, conn net.Conn) (net.Conn, string) {
						if !again.Swap(true) {
							panic("bug in Identify")
						}
						return identify(ctx, conn)
					}
				}
				a, b := listen(t, p, identifiedBy("a", shown)), listen(t, p, identifiedBy("b", shown))
				if where == "Identify" {
					clientEnd = m.dial(t, client, onlyAddr)
				}
				if _, err := clientEnd.Read(make([]byte, 1)); err == nil {
					t.Error("the connection was not dropped")
				}
				m.dialWithID(t, client, "a")
				wantID(t, a, "a")
				m.dialWithID(t, client, "b")
				wantID(t, b, "b")
				if !strings.Contains(log.String(), "bug in "+where) {
					t.Errorf("log: %s", log.String())
				}
			})
		})
	}
}

// After a panic in Close of the socket, the wait has ended and the port is free.
func TestPanicInCloseReleasesPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		p.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
			l, err := m.listen(ctx, network, address)
			f := &faultyListener{Listener: l}
			f.closes.Store(true)
			return f, err
		}
		brief := withoutID(client)
		brief.Timeout = time.Minute
		l := listen(t, p, brief)
		if _, err := l.Conn(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want os.ErrDeadlineExceeded", err)
		}
		p.ListenFunc = m.listen
		listen(t, p, brief)
	})
}
