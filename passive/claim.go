package passive

import (
	"net/netip"
	"time"
)

// A Claim says which connection a Listener awaits. IPv4 addresses mapped to IPv6 are taken as IPv4.
//
// Claims that share a port are told apart by Peer; those of one Peer, such as clients behind a translating router, by ID.
type Claim struct {
	Local, Peer netip.Addr    // where the connection comes to, and from where
	Timeout     time.Duration // how long it is awaited
	ID          string        // what Ports.Identify may find on the connection; "" = it is told by its address alone
	Sure        bool          // it is expected to show its ID, as an earlier one of the same client did
}

// apart reports whether a connection that comes to a port can be told to be a's or b's.
func (p *Ports) apart(a, b Claim) bool {
	if a.Peer != b.Peer {
		return true
	}
	return p.Identify != nil && a.ID != "" && b.ID != "" && a.ID != b.ID && a.Sure && b.Sure
}
