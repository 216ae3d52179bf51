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

// A nameless connection panics when it is asked where it comes from.
type nameless struct{ net.Conn }

func (nameless) RemoteAddr() net.Addr { panic("a mistake in RemoteAddr") }

// A faultyListener gives out a nameless connection at first, and may panic when it is closed.
type faultyListener struct {
	net.Listener
	first, closes atomic.Bool
	nameless      net.Conn
}

func (l *faultyListener) Accept() (net.Conn, error) {
	if l.nameless != nil && !l.first.Swap(true) {
		return nameless{l.nameless}, nil
	}
	return l.Listener.Accept()
}

func (l *faultyListener) Close() error {
	err := l.Listener.Close()
	if l.closes.Swap(false) {
		panic("a mistake in Close")
	}
	return err
}

// A panic about a connection drops it, is logged, and ends no other wait.
func TestAPanicDropsItsConnection(t *testing.T) {
	for _, where := range []string{"Identify", "RemoteAddr"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				m := newMemory()
				p := sharing(m, 1)
				p.Log = logTo(&log)
				near, far := net.Pipe()
				shown := identify
				if where == "RemoteAddr" {
					p.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
						l, err := m.listen(ctx, network, address)
						return &faultyListener{Listener: l, nameless: far}, err
					}
				} else {
					var again atomic.Bool
					shown = func(ctx context.Context, conn net.Conn) (net.Conn, string) {
						if !again.Swap(true) {
							panic("a mistake in Identify")
						}
						return identify(ctx, conn)
					}
				}
				a, b := claim(t, p, identified("a", shown)), claim(t, p, identified("b", shown))
				if where == "Identify" {
					near = m.dial(t, client, only)
				}
				if _, err := near.Read(make([]byte, 1)); err == nil {
					t.Error("the connection is open")
				}
				m.show(t, client, "a")
				wantID(t, a, "a")
				m.show(t, client, "b")
				wantID(t, b, "b")
				if !strings.Contains(log.String(), "a mistake in "+where) {
					t.Errorf("log: %s", log.String())
				}
			})
		})
	}
}

// A panic at the end of a wait ends it all the same, and the port is free.
func TestAPanicEndsItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		p.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
			l, err := m.listen(ctx, network, address)
			f := &faultyListener{Listener: l}
			f.closes.Store(true)
			return f, err
		}
		brief := plain(client)
		brief.Timeout = time.Minute
		l := claim(t, p, brief)
		if _, err := l.Conn(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want the time-out", err)
		}
		p.ListenFunc = m.listen
		claim(t, p, brief)
	})
}
