package passive

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"time"
)

// A port is a listening socket that serves one claim, or several that share it. Its socket is closed when the last
// claim has its connection or has ended.
type port struct {
	ports  *Ports
	queue  *queue
	socket net.Listener
	number uint16
	ctx    context.Context // with the values of the first claim's context; canceled when the port closes
	cancel context.CancelFunc

	// Guarded by Ports.mu.
	listeners  []*Listener // still waiting
	candidates map[*candidate]bool
	failed     bool // the socket cannot accept any more
}

// open makes a port of a bound socket and assigns it to l, the first of the queue.
func (p *Ports) open(ctx context.Context, socket net.Listener, l *Listener) {
	pt := &port{
		ports: p, queue: l.queue, socket: socket, number: AddrPort(socket.Addr()).Port(),
		candidates: make(map[*candidate]bool),
	}
	pt.ctx, pt.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.mu.Lock()
	defer p.mu.Unlock()
	pt.queue.ports[pt.number] = pt
	pt.queue.remove(l)
	pt.assign(l)
	go pt.serve()
}

// assign adds l to the listeners of the port and starts its timeout.
func (pt *port) assign(l *Listener) {
	l.port = pt
	pt.listeners = append(pt.listeners, l)
	l.timer = time.AfterFunc(l.claim.Timeout, func() {
		defer pt.recoverPanic(nil)
		pt.finish(l, result{err: os.ErrDeadlineExceeded})
	})
	close(l.assigned)
}

// finish ends the wait of l with r, and closes the port if l was its last listener. It reports false if the wait had
// already ended.
func (pt *port) finish(l *Listener, r result) bool {
	last, waiting := pt.remove(l)
	if !waiting {
		return false
	}
	defer func() {
		l.result <- r
		close(l.result)
	}()
	if last {
		pt.cancel()
		defer pt.ports.release(pt)
		pt.socket.Close()
	}
	return true
}

// remove removes l from the listeners of the port. It reports whether l was the last one, and whether it was there.
func (pt *port) remove(l *Listener) (last, waiting bool) {
	pt.ports.mu.Lock()
	defer pt.ports.mu.Unlock()
	i := slices.Index(pt.listeners, l)
	if i < 0 {
		return false, false
	}
	pt.listeners = slices.Delete(pt.listeners, i, i+1)
	l.timer.Stop()
	l.done = true
	for c := range pt.candidates {
		c.cancelIfUnclaimed()
	}
	pt.ports.share(pt.queue) // a queued claim may now be able to share this port
	return len(pt.listeners) == 0, true
}

// serve accepts connections until the port is closed. It never blocks on one connection, and a temporary error of
// Accept ends no session's wait.
func (pt *port) serve() {
	for {
		conn, err := Accept(pt.ctx, pt.socket, logRetries(pt.ports.log(), pt.socket))
		if err != nil {
			pt.fail(err)
			return
		}
		pt.handle(conn)
	}
}

// handle matches a new connection with a listener. A panic drops this connection only.
func (pt *port) handle(conn net.Conn) {
	defer pt.recoverPanic(conn)
	pt.match(&candidate{conn: conn, peer: AddrPort(conn.RemoteAddr()), owners: pt.waiting()})
}

// recoverPanic logs a panic and drops conn, if it is not nil. It must be deferred itself.
func (pt *port) recoverPanic(conn net.Conn) {
	if v := recover(); v != nil {
		pt.ports.log().Error("panic at a passive port", "port", pt.number, "err", fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		if conn != nil {
			drop(conn)
		}
	}
}

// fail ends the wait of all listeners with err.
func (pt *port) fail(err error) {
	pt.ports.mu.Lock()
	pt.failed = true
	pt.ports.mu.Unlock()
	for _, l := range pt.waiting() {
		pt.finish(l, result{err: err})
	}
}

// waiting returns the listeners that wait on the port now.
func (pt *port) waiting() []*Listener {
	pt.ports.mu.Lock()
	defer pt.ports.mu.Unlock()
	return slices.Clone(pt.listeners)
}

// match finds the listener of c by its address. If that is not enough, c is identified in the background.
func (pt *port) match(c *candidate) {
	if isIn(pt.ports.ProxyFrom, c.peer.Addr()) {
		c.conn = newProxyConn(c.conn)
		pt.identify(c)
		return
	}
	c.filterByPeer()
	switch {
	case len(c.owners) == 0:
		pt.reject(c, errUnexpected)
	case c.owners[0].claim.ID == "": // it is the only one, see distinguishable
		pt.deliver(c, c.conn, c.owners[0])
	default:
		pt.identify(c)
	}
}

// deliver gives conn to l, or drops it if the wait of l has ended.
func (pt *port) deliver(c *candidate, conn net.Conn, l *Listener) {
	if !pt.finish(l, result{conn: conn, socket: c.conn}) {
		drop(c.conn)
	}
}

// reject drops, counts and logs c.
func (pt *port) reject(c *candidate, why error) {
	pt.ports.rejected.Add(1)
	drop(c.conn)
	pt.ports.log().Debug("data connection rejected", "remote", c.peer, "port", pt.number, "err", why)
}

// drop resets conn; a FIN would look like a complete, empty file.
func drop(conn net.Conn) {
	if c, ok := conn.(Lingerer); ok {
		c.SetLinger(0)
	}
	conn.Close()
}
