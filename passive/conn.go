package passive

import (
	"net"
	"net/netip"
)

// A HalfCloser is a connection that can close its writing side alone, as *net.TCPConn can.
type HalfCloser interface{ CloseWrite() error }

// A Lingerer is a connection that Close resets after SetLinger(0), as it does a *net.TCPConn.
type Lingerer interface{ SetLinger(seconds int) error }

// HostAddr returns the local address of the socket, even if a PROXY header names another one (see Proxied). Passive data
// connections arrive at the same address.
func HostAddr(conn net.Conn) netip.Addr {
	if c, ok := conn.(*proxyConn); ok {
		conn = c.Conn
	}
	return AddrPort(conn.LocalAddr()).Addr()
}

// AddrPort converts an address of package net, and unmaps IPv4-mapped IPv6 addresses. It returns the zero AddrPort if a
// is nil or not an IP address with a port.
func AddrPort(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
