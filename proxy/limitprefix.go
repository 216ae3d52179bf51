package proxy

import "net/netip"

// LimitPrefix returns the addresses that limits per client address count as one client: an IPv4 address alone, an IPv6
// address with its /64. A host with IPv6 has a /64 of its own, and could use another address of it for every connection.
//
// A link-local address is counted alone, because fe80::/64 is the whole link. An address that decides whose a
// connection is, as the peer of a data connection, is always compared exactly.
func LimitPrefix(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() && !a.IsLinkLocalUnicast() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}
