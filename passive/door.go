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

// A door is a socket that listens on a port of ours, for one claim or for several that share the port.
// It opens with its first claim, and closes when the last one has its connection or is given up.
type door struct {
	ports  *Ports
	line   *line
	socket net.Listener
	port   uint16
	ctx    context.Context // with the values of the first claim's; ends when the door closes
	closed context.CancelFunc

	// Guarded by Ports.mu.
	claims   []*Listener // that wait
	visitors map[*visitor]bool
	broken   bool // no connection will come any more
}

// open makes a bound socket the door of l, the first of the line.
func (p *Ports) open(ctx context.Context, socket net.Listener, l *Listener) {
	d := &door{
		ports: p, line: l.line, socket: socket, port: AddrPort(socket.Addr()).Port(),
		visitors: make(map[*visitor]bool),
	}
	d.ctx, d.closed = context.WithCancel(context.WithoutCancel(ctx))
	p.mu.Lock()
	defer p.mu.Unlock()
	d.line.doors[d.port] = d
	d.line.without(l)
	d.admit(l)
	go d.receive()
}

// admit lets l wait at the door. Its time runs from now on.
func (d *door) admit(l *Listener) {
	l.door = d
	d.claims = append(d.claims, l)
	l.timer = time.AfterFunc(l.claim.Timeout, func() {
		defer d.recovered(nil)
		d.finish(l, arrival{err: os.ErrDeadlineExceeded})
	})
	close(l.admitted)
}

// finish ends the wait of l, and frees the port if l was the last to wait there. It reports false when the wait
// was over already.
func (d *door) finish(l *Listener, a arrival) bool {
	last, waited := d.remove(l, a.conn != nil)
	if !waited {
		return false
	}
	defer func() {
		l.came <- a
		close(l.came)
	}()
	if last {
		d.closed()
		defer d.ports.free(d)
		d.socket.Close()
	}
	return true
}

// remove ends the wait of l, unless it was over already, and reports whether it was the last.
func (d *door) remove(l *Listener, isServed bool) (last, waited bool) {
	d.ports.mu.Lock()
	defer d.ports.mu.Unlock()
	place := slices.Index(d.claims, l)
	if place < 0 {
		return false, false
	}
	d.claims = slices.Delete(d.claims, place, place+1)
	l.timer.Stop()
	l.fate = ended
	if isServed {
		l.fate = served
	}
	for v := range d.visitors {
		v.lookFor()
	}
	d.ports.share(d.line) // its place at the door
	return len(d.claims) == 0, true
}

// receive accepts connections until the door is closed. It never waits for a single connection. A temporary error
// ends no session's wait.
func (d *door) receive() {
	for {
		conn, err := Accept(d.ctx, d.socket, logRetries(d.ports.log(), d.socket))
		if err != nil {
			d.fail(err)
			return
		}
		d.greet(conn)
	}
}

// greet meets a connection. A panic drops it, and no other.
func (d *door) greet(conn net.Conn) {
	defer d.recovered(conn)
	d.meet(&visitor{conn: conn, from: AddrPort(conn.RemoteAddr()), owners: d.waiting()})
}

// recovered keeps a panic about a connection, if there is one, from ending the process. It must be deferred itself.
func (d *door) recovered(conn net.Conn) {
	if v := recover(); v != nil {
		d.ports.log().Error("panic at a passive port", "port", d.port, "err", fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		if conn != nil {
			drop(conn)
		}
	}
}

// fail ends the wait of all.
func (d *door) fail(err error) {
	d.ports.mu.Lock()
	d.broken = true
	d.ports.mu.Unlock()
	for _, l := range d.waiting() {
		d.finish(l, arrival{err: err})
	}
}

// waiting returns who waits at the door now.
func (d *door) waiting() []*Listener {
	d.ports.mu.Lock()
	defer d.ports.mu.Unlock()
	return slices.Clone(d.claims)
}

// meet lets the address say whose connection it is. Where that does not tell, the connection has to be examined.
func (d *door) meet(v *visitor) {
	if listed(d.ports.ProxyFrom, v.from.Addr()) {
		v.conn = newHeaded(v.conn)
		d.examine(v)
		return
	}
	v.narrow()
	switch {
	case len(v.owners) == 0:
		d.refuse(v, errUnawaited)
	case v.owners[0].claim.ID == "": // then there is no other
		d.handOver(v, v.conn, v.owners[0])
	default:
		d.examine(v)
	}
}

// handOver gives l its connection, unless l has ceased to wait for it.
func (d *door) handOver(v *visitor, conn net.Conn, l *Listener) {
	if !d.finish(l, arrival{conn: conn, socket: v.conn}) {
		drop(v.conn)
	}
}

func (d *door) refuse(v *visitor, why error) {
	d.ports.strangers.Add(1)
	drop(v.conn)
	d.ports.log().Debug("dropped a data connection from a stranger",
		"stranger", v.from, "port", d.port, "err", why)
}

// drop resets a connection. A mere close would read, at the other end, as an empty file that has ended well.
func drop(conn net.Conn) {
	if c, ok := conn.(Lingerer); ok {
		c.SetLinger(0)
	}
	conn.Close()
}
