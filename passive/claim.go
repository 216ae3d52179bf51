package passive

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// A Claim describes the connection that a Listener waits for. IPv4-mapped IPv6 addresses count as IPv4.
//
// Claims that share a port are distinguished by Peer, and claims with the same Peer, such as clients behind NAT, by ID.
// A Listener with an ID in its claim gets only a connection with that ID. Whether another client has copied the ID is for
// the caller to verify.
type Claim struct {
	Local, Peer netip.Addr    // addresses of this host and of the client
	Timeout     time.Duration // how long to wait for the connection
	ID          string        // expected result of Identify; "" = match by address alone

	// Identify reads the ID of a connection from the first bytes that the client sends, such as the session ticket in a
	// TLS ClientHello. It returns a connection that yields these bytes again and has the methods that the caller of
	// Listener.Conn needs. The ID "" means that the client sent none, a nil connection that the connection failed.
	//
	// Identify is called only where claims with the same Peer share a port, and may be that of any of these claims. When
	// none of them waits any more, ctx is canceled and the connection closed.
	Identify func(ctx context.Context, conn net.Conn) (net.Conn, string)
}

// distinguishable reports whether a connection can be matched with a or b if both share a port.
func distinguishable(a, b Claim) bool {
	if a.Peer != b.Peer {
		return true
	}
	return a.ID != "" && b.ID != "" && a.ID != b.ID
}
