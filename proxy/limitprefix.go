package proxy

import "net/netip"

// LimitPrefix returns the addresses that count as one client in limits per address: a single IPv4 address, or the /64 of an
// IPv6 address, because a host with IPv6 usually has a /64 and could use a new address of it for each connection.
//
// A link-local address counts alone, because all hosts of a link share fe80::/64. Use LimitPrefix for limits only: to
// identify a client, as the peer of a data connection, compare the whole address.
func LimitPrefix(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() && !a.IsLinkLocalUnicast() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}
