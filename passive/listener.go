package passive

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// A Listener waits on one port for one connection from one peer.
type Listener struct {
	ports  *Ports
	socket *bound
	claim  Claim
	late   atomic.Bool
	came   chan arrival // holds how the wait ended until somebody takes it; then closed
}

type arrival struct {
	conn net.Conn
	err  error
}

func newListener(p *Ports, socket *bound, c Claim) *Listener {
	l := &Listener{ports: p, socket: socket, claim: c, came: make(chan arrival, 1)}
	timer := time.AfterFunc(c.Timeout, func() {
		l.late.Store(true)
		socket.Close()
	})
	go func() {
		conn, err := l.accept()
		timer.Stop()
		p.free(socket)
		l.came <- arrival{conn, err}
		close(l.came)
	}()
	return l
}

// accept returns the first connection that comes from the peer, however many others come before.
func (l *Listener) accept() (net.Conn, error) {
	for {
		conn, err := l.socket.Accept()
		if err != nil && l.late.Load() {
			return nil, os.ErrDeadlineExceeded
		}
		if err != nil {
			return nil, err
		}
		from := addrPort(conn.RemoteAddr())
		if from.Addr() == l.claim.Peer {
			return conn, nil
		}
		drop(conn)
		l.ports.strangers.Add(1)
		cmp.Or(l.ports.Log, slog.Default()).Debug("dropped a data connection from a stranger",
			"peer", l.claim.Peer, "stranger", from, "port", l.Port())
	}
}

// Port returns the number of the port, for the answer to PASV or EPSV.
func (l *Listener) Port() uint16 { return l.socket.port }

// Conn returns the connection from the peer, waiting for it if it has not come yet. The caller has to close it.
//
// After the time-out the error is [os.ErrDeadlineExceeded], after Close, or when the connection was given
// out already, [net.ErrClosed]. When ctx ends first the error is the cause of that, and the wait goes on
// in the background until the time-out or Close.
func (l *Listener) Conn(ctx context.Context) (net.Conn, error) {
	a := arrival{err: net.ErrClosed}
	select {
	case got, ok := <-l.came:
		if ok {
			a = got
		}
	case <-ctx.Done():
		a.err = context.Cause(ctx)
	}
	if a.conn == nil {
		return nil, fmt.Errorf("waiting for a data connection from %v on port %d: %w", l.claim.Peer, l.Port(), a.err)
	}
	return a.conn, nil
}

// Close ends the wait, frees the port and drops a connection that nobody took; one that Conn returned stays open.
// When Close returns, the port is free. It may be called more than once.
func (l *Listener) Close() error {
	err := l.socket.Close()
	if a := <-l.came; a.conn != nil {
		drop(a.conn)
	}
	return err
}

// drop resets a connection. A mere close would read, at the other end, as an empty file that has ended well.
func drop(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
