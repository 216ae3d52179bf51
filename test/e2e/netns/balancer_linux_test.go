package netns

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
)

// header is a PROXY protocol header, version 2, of a connection from one address to another
// (haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2).
func header(from, to netip.AddrPort) []byte {
	family := byte(0x11)
	if from.Addr().Is6() {
		family = 0x21
	}
	addrs := append(from.Addr().AsSlice(), to.Addr().AsSlice()...)
	addrs = binary.BigEndian.AppendUint16(addrs, from.Port())
	addrs = binary.BigEndian.AppendUint16(addrs, to.Port())
	h := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x21, family)
	return append(binary.BigEndian.AppendUint16(h, uint16(len(addrs))), addrs...)
}

// balance forwards connections from some ports of an address to the same ports of another, as a TCP load balancer does. The function
// returns the header that each connection begins with.
func (h *host) balance(at string, ports []string, to string, says func(from, to netip.AddrPort) []byte) {
	h.t.Helper()
	for _, port := range ports {
		h.listen(net.JoinHostPort(at, port), func(client *net.TCPConn) {
			server, err := h.dial(net.JoinHostPort(to, port))
			if err == nil {
				_, err = server.Write(says(addrOf(client.RemoteAddr()), addrOf(client.LocalAddr())))
			}
			if err != nil {
				client.SetLinger(0) // as if refused
				client.Close()
				return
			}
			splice(client, server)
		})
	}
}

// addrOf returns an address in the form of a header.
func addrOf(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// splice joins two connections: a FIN or a reset of one is passed to the other.
func splice(a, b *net.TCPConn) {
	var both sync.WaitGroup
	half := func(to, from *net.TCPConn) {
		if _, err := io.Copy(to, from); err != nil {
			a.SetLinger(0)
			b.SetLinger(0)
			a.Close()
			b.Close()
			return
		}
		to.CloseWrite()
	}
	both.Go(func() { half(a, b) })
	half(b, a)
	both.Wait()
	a.Close()
	b.Close()
}
