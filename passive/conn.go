package passive

import (
	"net"
	"net/netip"
)

// A HalfCloser is a connection whose own side can be ended while the other one is read on, as one of TCP.
type HalfCloser interface{ CloseWrite() error }

// A Lingerer is a connection that is reset when it is closed after SetLinger(0), as one of TCP.
type Lingerer interface{ SetLinger(seconds int) error }

// HostAddr returns the address of this host that a connection leads to, even where the client came to the address of a proxy,
// see Proxied. Passive data connections come to the same one.
func HostAddr(conn net.Conn) netip.Addr {
	if h, ok := conn.(*headed); ok {
		conn = h.Conn
	}
	return AddrPort(conn.LocalAddr()).Addr()
}

// AddrPort reads an address as package net writes it, an IPv4 address in its own form; it is zero where there is none.
func AddrPort(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
