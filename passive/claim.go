package passive

import (
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
	ID          string        // that Ports.Identify will find on the connection; "" = it is told by its address alone
}

// apart reports whether a connection that comes to a port can be told to be a's or b's.
func apart(a, b Claim) bool {
	if a.Peer != b.Peer {
		return true
	}
	return a.ID != "" && b.ID != "" && a.ID != b.ID
}
