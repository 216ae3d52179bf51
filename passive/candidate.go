package passive

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
)

// Limits of the candidates of a port, in all and per client (see Ports.Group): each costs a goroutine, and any host can
// connect. A connection from a proxy counts for its client once the PROXY header has been read.
const (
	maxCandidates          = 64
	maxCandidatesPerClient = 32
)

// A candidate is a connection to a port, with a listener that is not known yet.
type candidate struct {
	conn   net.Conn
	peer   netip.AddrPort
	owners []*Listener // possible ones, of those that waited when the connection was accepted
	cancel context.CancelFunc
}

// filterByPeer keeps only the owners that expect a connection from the peer's address.
func (c *candidate) filterByPeer() {
	c.owners = slices.DeleteFunc(c.owners, func(l *Listener) bool { return l.claim.Peer != c.peer.Addr() })
}

// cancelIfUnclaimed cancels the identification once no possible owner waits any more. Ports.mu must be held.
func (c *candidate) cancelIfUnclaimed() {
	if !slices.ContainsFunc(c.owners, func(l *Listener) bool { return !l.done }) {
		c.cancel()
	}
}

// Reasons for rejecting a connection.
var (
	errUnexpected = errors.New("no session expects a connection from this address")
	errUnknownID  = errors.New("no session expects a connection with this ID")
	errTooMany    = errors.New("too many connections are being identified")
)

// identify finds the listener of c in the background. When no possible owner waits any more, the connection is reset.
func (pt *port) identify(c *candidate) {
	ctx, cancel := context.WithCancel(pt.ctx)
	c.cancel = cancel
	if !pt.add(c) {
		cancel()
		pt.reject(c, errTooMany)
		return
	}
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { drop(conn) })
	go func() {
		defer pt.forget(c)
		defer pt.recoverPanic(c.conn)
		conn, owner, err := pt.findOwner(ctx, c)
		switch {
		case !stop(): // conn has been dropped
		case err != nil:
			pt.reject(c, err)
		default:
			pt.deliver(c, conn, owner)
		}
	}()
}

// findOwner reads from the connection what is needed to find its listener: a PROXY header, and the ID.
func (pt *port) findOwner(ctx context.Context, c *candidate) (net.Conn, *Listener, error) {
	if proxied, ok := c.conn.(*proxyConn); ok {
		if err := proxied.readHeader(); err != nil {
			return nil, nil, err
		}
		if !pt.setPeer(c, AddrPort(proxied.RemoteAddr())) {
			return nil, nil, errTooMany
		}
	}
	switch {
	case len(c.owners) == 0:
		return nil, nil, errUnexpected
	case c.owners[0].claim.ID == "": // it is the only one, see distinguishable
		return c.conn, c.owners[0], nil
	}
	conn, id := c.owners[0].claim.Identify(ctx, c.conn)
	owner := c.ownerWithID(id)
	if conn == nil || owner == nil {
		return nil, nil, errUnknownID
	}
	return conn, owner, nil
}

// setPeer sets the address of a candidate that came through a proxy. It reports false if its client is at the limit.
func (pt *port) setPeer(c *candidate, peer netip.AddrPort) bool {
	pt.ports.mu.Lock()
	defer pt.ports.mu.Unlock()
	if pt.candidatesFrom(peer.Addr()) >= maxCandidatesPerClient {
		return false
	}
	c.peer = peer
	c.filterByPeer()
	if len(c.owners) > 0 { // otherwise findOwner rejects it
		c.cancelIfUnclaimed()
	}
	return true
}

// add adds c to the candidates. It reports false if a limit is reached.
func (pt *port) add(c *candidate) bool {
	pt.ports.mu.Lock()
	defer pt.ports.mu.Unlock()
	_, proxied := c.conn.(*proxyConn)
	if len(pt.candidates) == maxCandidates || !proxied && pt.candidatesFrom(c.peer.Addr()) == maxCandidatesPerClient {
		return false
	}
	pt.candidates[c] = true
	c.cancelIfUnclaimed()
	return true
}

// candidatesFrom counts the candidates of the client with this address.
func (pt *port) candidatesFrom(a netip.Addr) (n int) {
	for c := range pt.candidates {
		if pt.ports.group(c.peer.Addr()) == pt.ports.group(a) {
			n++
		}
	}
	return n
}

// forget removes c from the candidates.
func (pt *port) forget(c *candidate) {
	pt.ports.mu.Lock()
	defer pt.ports.mu.Unlock()
	delete(pt.candidates, c)
	c.cancel()
}

// ownerWithID returns the possible owner with a claim for this ID, or nil. The wait of that owner may have ended: then no
// other listener gets the connection either.
func (c *candidate) ownerWithID(id string) *Listener {
	i := slices.IndexFunc(c.owners, func(l *Listener) bool { return id != "" && l.claim.ID == id })
	if i < 0 {
		return nil
	}
	return c.owners[i]
}
