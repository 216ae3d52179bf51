package passive

import (
	"context"
	"net"
	"net/netip"
	"slices"
)

// maxVisitors is how many connections may be in examination at one door. Each costs a goroutine, and anybody can come.
const maxVisitors = 64

// A visitor is a connection that has come to a door, until it is known whose it is.
type visitor struct {
	conn   net.Conn
	from   netip.AddrPort
	owners []*Listener // whose it may be: of those who waited when it came, never one who came later
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

// examine finds out, in the background, whose connection it is. When nobody waits for it any more it is reset.
func (d *door) examine(v *visitor) {
	ctx, giveUp := context.WithCancel(d.ctx)
	v.giveUp = giveUp
	if !d.enter(v) {
		giveUp()
		d.refuse(v, "too many are in examination")
		return
	}
	undo := context.AfterFunc(ctx, func() { drop(v.conn) })
	go func() {
		defer d.leave(v)
		conn, id := d.ports.Identify(ctx, v.conn)
		if !undo() {
			return
		}
		if l := d.owner(v, id); conn != nil && l != nil {
			d.handOver(v, conn, l)
		} else {
			d.refuse(v, "nobody awaits it with its ID")
		}
	}()
}

func (d *door) enter(v *visitor) bool {
	d.ports.mu.Lock()
	defer d.ports.mu.Unlock()
	if len(d.visitors) == maxVisitors {
		return false
	}
	d.visitors[v] = true
	v.lookFor()
	return true
}

func (d *door) leave(v *visitor) {
	d.ports.mu.Lock()
	defer d.ports.mu.Unlock()
	delete(d.visitors, v)
	v.giveUp()
}

// owner returns whose connection it is that shows this ID, or nil. It may be one who has ceased to wait: then the
// connection is nobody's, rather than another's.
func (d *door) owner(v *visitor, id string) *Listener {
	if id != "" {
		for _, l := range v.owners {
			if l.claim.ID == id {
				return l
			}
		}
	}
	d.ports.mu.Lock()
	defer d.ports.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(v.owners), func(l *Listener) bool { return l.fate == served })
	for _, l := range left {
		if !l.claim.Sure || len(left) == 1 {
			return l
		}
	}
	return nil
}
