package passive

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// A Claim says which connection a Listener awaits. IPv4 addresses mapped to IPv6 are taken as IPv4.
//
// Claims that share a port are told apart by Peer; those of one Peer, such as clients behind a translating router, by ID.
// A claim with an ID gets no connection but one that shows it; that it was not shown by another is the caller's to prove.
type Claim struct {
	Local, Peer netip.Addr    // where the connection comes to, and from where
	Timeout     time.Duration // how long it is awaited
	ID          string        // that Identify will find on the connection; "" = it is told by its address alone

	// Identify finds the ID that a connection shows in what it sends first, such as the ticket in a TLS ClientHello, and
	// returns it with a connection that yields what was read once more, and has the methods of conn that the caller
	// of Listener.Conn needs. "" = it shows none; a nil connection = it is broken. It is called only where claims of
	// one Peer share a port, and may be that of any of these claims. When none of them waits any more, ctx ends and the
	// connection is closed.
	Identify func(ctx context.Context, conn net.Conn) (net.Conn, string)
}

// apart reports whether a connection that comes to a port can be told to be a's or b's.
func apart(a, b Claim) bool {
	if a.Peer != b.Peer {
		return true
	}
	return a.ID != "" && b.ID != "" && a.ID != b.ID
}
