package passive

import (
	"context"
	"fmt"
	"net"
	"time"
)

// A Listener waits on one port for one connection, described by its Claim.
type Listener struct {
	claim    Claim
	queue    *queue
	wake     chan struct{} // tells the first of the queue to scan for a free port
	assigned chan struct{} // closed when the listener has a port
	result   chan result   // receives one value when the wait ends; then closed

	// Guarded by Ports.mu until assigned is closed; port does not change after that.
	port  *port
	timer *time.Timer

	done bool // the wait has ended; guarded by Ports.mu
}

// A result is the outcome of a wait: a connection or an error.
type result struct {
	conn   net.Conn
	socket net.Conn // below conn, for drop: the connection returned by Claim.Identify may lack SetLinger
	err    error
}

func newListener(c Claim) *Listener {
	return &Listener{claim: c, wake: make(chan struct{}, 1), assigned: make(chan struct{}), result: make(chan result, 1)}
}

// Port returns the port number, for the reply to PASV or EPSV.
func (l *Listener) Port() uint16 { return l.port.number }

// Conn waits for the connection of the claim and returns it. The caller must close it.
//
// The error is [os.ErrDeadlineExceeded] after the timeout, and [net.ErrClosed] after Close or when the connection has
// been returned before. If ctx ends first, the error is its cause, and the wait continues in the background until the
// timeout or Close.
func (l *Listener) Conn(ctx context.Context) (net.Conn, error) {
	r := result{err: net.ErrClosed}
	select {
	case got, ok := <-l.result:
		if ok {
			r = got
		}
	case <-ctx.Done():
		r.err = context.Cause(ctx)
	}
	if r.conn == nil {
		return nil, fmt.Errorf("waiting for a data connection from %v on port %d: %w", l.claim.Peer, l.Port(), r.err)
	}
	return r.conn, nil
}

// Close ends the wait, and drops a connection that Conn has not returned. After Close the port is free, unless other
// listeners share it. Close may be called more than once; its error is always nil.
func (l *Listener) Close() error {
	l.port.finish(l, result{err: net.ErrClosed})
	if r := <-l.result; r.conn != nil {
		drop(r.socket)
	}
	return nil
}
