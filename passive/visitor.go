package passive

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
)

// How many connections may be in examination at one door, and how many of them from one client, see Ports.Group: each costs a goroutine,
// and anybody can come. The proxies that send PROXY headers have addresses of their own until those are read.
const (
	maxVisitors = 64
	mostFromOne = 32
)

// A visitor is a connection that has come to a door, until it is known whose it is.
type visitor struct {
	conn   net.Conn
	from   netip.AddrPort
	owners []*Listener // whose it may be: of those who waited when it was accepted
	giveUp context.CancelFunc
}

// narrow leaves, of the owners, those who wait for a connection from this address.
func (v *visitor) narrow() {
	v.owners = slices.DeleteFunc(v.owners, func(l *Listener) bool { return l.claim.Peer != v.from.Addr() })
}

// lookFor ends the examination when nobody is left whose connection it could be. It is called with Ports.mu held.
func (v *visitor) lookFor() {
	if !slices.ContainsFunc(v.owners, func(l *Listener) bool { return l.fate == waits }) {
		v.giveUp()
	}
}

// Why a connection is refused.
var (
	errUnawaited    = errors.New("nobody awaits it from there")
	errUnidentified = errors.New("nobody awaits it with its ID")
	errTooMany      = errors.New("too many are in examination")
)

// examine finds out, in the background, whose connection it is. When nobody waits for it any more it is reset.
func (d *door) examine(v *visitor) {
	ctx, giveUp := context.WithCancel(d.ctx)
	v.giveUp = giveUp
	if !d.enter(v) {
		giveUp()
		d.refuse(v, errTooMany)
		return
	}
	conn := v.conn
	undo := context.AfterFunc(ctx, func() { drop(conn) })
	go func() {
		defer d.leave(v)
		defer d.recovered(v.conn)
		conn, owner, err := d.recognise(ctx, v)
		switch {
		case !undo(): // it has been dropped
		case err != nil:
			d.refuse(v, err)
		default:
			d.handOver(v, conn, owner)
		}
	}()
}

// recognise lets the connection say whose it is, in its PROXY header and by its ID, as far as that is needed.
func (d *door) recognise(ctx context.Context, v *visitor) (net.Conn, *Listener, error) {
	if h, ok := v.conn.(*headed); ok {
		if err := h.header(); err != nil {
			return nil, nil, err
		}
		if !d.behind(v, AddrPort(h.RemoteAddr())) {
			return nil, nil, errTooMany
		}
	}
	switch {
	case len(v.owners) == 0:
		return nil, nil, errUnawaited
	case v.owners[0].claim.ID == "": // then there is no other
		return v.conn, v.owners[0], nil
	}
	conn, id := v.owners[0].claim.Identify(ctx, v.conn)
	owner := d.owner(v, id)
	if conn == nil || owner == nil {
		return nil, nil, errUnidentified
	}
	return conn, owner, nil
}

// behind notes where a visitor comes from that came through a proxy, unless there are too many from there.
func (d *door) behind(v *visitor, from netip.AddrPort) bool {
	d.ports.mu.Lock()
	defer d.ports.mu.Unlock()
	if d.from(from.Addr()) >= mostFromOne {
		return false
	}
	v.from = from
	v.narrow()
	if len(v.owners) > 0 { // else it is refused
		v.lookFor()
	}
	return true
}

func (d *door) enter(v *visitor) bool {
	d.ports.mu.Lock()
	defer d.ports.mu.Unlock()
	_, headed := v.conn.(*headed)
	if len(d.visitors) == maxVisitors || !headed && d.from(v.from.Addr()) == mostFromOne {
		return false
	}
	d.visitors[v] = true
	v.lookFor()
	return true
}

// from counts the visitors from an address, and from those that count as one client with it.
func (d *door) from(a netip.Addr) (n int) {
	for v := range d.visitors {
		if d.ports.group(v.from.Addr()) == d.ports.group(a) {
			n++
		}
	}
	return n
}

func (d *door) leave(v *visitor) {
	d.ports.mu.Lock()
	defer d.ports.mu.Unlock()
	delete(d.visitors, v)
	v.giveUp()
}

// owner returns whose connection it is that shows this ID, or nil: what shows none, or another, may be anybody's. It may be
// one who has ceased to wait: then the connection is nobody's, rather than another's.
func (d *door) owner(v *visitor, id string) *Listener {
	i := slices.IndexFunc(v.owners, func(l *Listener) bool { return id != "" && l.claim.ID == id })
	if i < 0 {
		return nil
	}
	return v.owners[i]
}
