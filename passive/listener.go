package passive

import (
	"context"
	"fmt"
	"net"
	"time"
)

// A Listener waits on one port for one connection, that of its Claim.
type Listener struct {
	claim    Claim
	line     *line
	wake     chan struct{} // says that it is the first of its line, or that a port may be free for the first
	admitted chan struct{} // closed when it has its door
	came     chan arrival  // holds how the wait ended until somebody takes it; then closed

	// Guarded by Ports.mu until it is admitted; door is fixed from then on.
	door  *door
	timer *time.Timer
	fate  fate
}

type arrival struct {
	conn   net.Conn
	socket net.Conn // behind conn, for what Identify returns may not know how to be reset
	err    error
}

// A fate is what has become of a Listener's wait.
type fate int

const (
	waits  fate = iota
	served      // it has its connection
	ended       // without one
)

func newListener(c Claim) *Listener {
	return &Listener{claim: c, wake: make(chan struct{}, 1), admitted: make(chan struct{}), came: make(chan arrival, 1)}
}

// Port returns the number of the port, for the answer to PASV or EPSV.
func (l *Listener) Port() uint16 { return l.door.port }

// Conn returns the connection of the claim, waiting for it if it has not come yet. The caller has to close it.
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

// Close ends the wait, and drops a connection that nobody took; one that Conn returned stays open.
// When Close returns, the port is free, unless others share it. It may be called more than once. The error is nil.
func (l *Listener) Close() error {
	l.door.finish(l, arrival{err: net.ErrClosed})
	if a := <-l.came; a.conn != nil {
		drop(a.socket)
	}
	return nil
}
