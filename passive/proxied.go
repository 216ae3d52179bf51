package passive

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
)

// headerTimeout is the time limit for a PROXY header.
const headerTimeout = 3 * time.Second

// Proxied returns a listener for control connections. Those from the networks in from come through a proxy and must begin
// with a PROXY header, version 1 or 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt). A header on any other connection
// is ordinary data.
//
// Accept does not wait for the header; Read, Write, LocalAddr and RemoteAddr of the connection do, for up to 3 s.
// LocalAddr and RemoteAddr return the addresses of the header. If the header is late, missing or invalid, the connection is
// reset, Read and Write return the error, and the addresses are the socket's. They are the socket's as well if the proxy
// connects on its own behalf (LOCAL). HostAddr always returns the local address of the socket. SetLinger, CloseWrite and
// SyscallConn act on the socket.
func Proxied(l net.Listener, from []netip.Prefix) net.Listener {
	return proxied{l, from}
}

type proxied struct {
	net.Listener
	from []netip.Prefix
}

func (p proxied) Accept() (net.Conn, error) {
	conn, err := p.Listener.Accept()
	if err == nil && isIn(p.from, AddrPort(conn.RemoteAddr()).Addr()) {
		conn = newProxyConn(conn)
	}
	return conn, err
}

// isIn reports whether an address is in one of the networks.
func isIn(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a.WithZone("")) })
}

// A proxyConn is a connection that begins with a PROXY header.
type proxyConn struct {
	net.Conn
	once          sync.Once
	buffered      *bufio.Reader // data that was read together with the header; nil once it has been consumed
	local, remote net.Addr
	err           error
}

// A HeaderError means that a connection does not begin with the PROXY header that it must have.
type HeaderError struct {
	From net.Addr // the load balancer, or the client that bypasses it
	Err  error
}

// Error implements error.
func (e *HeaderError) Error() string {
	return fmt.Sprintf("reading the PROXY header from %v: %v", e.From, e.Err)
}

// Unwrap returns Err.
func (e *HeaderError) Unwrap() error { return e.Err }

func newProxyConn(conn net.Conn) *proxyConn {
	return &proxyConn{Conn: conn, buffered: bufio.NewReader(conn)}
}

// readHeader reads the header when it is first called. It always returns the same error.
func (c *proxyConn) readHeader() error {
	c.once.Do(func() {
		c.local, c.remote = c.Conn.LocalAddr(), c.Conn.RemoteAddr()
		// A read deadline would overwrite the one that the user of the connection has set.
		timer := time.AfterFunc(headerTimeout, func() { drop(c.Conn) })
		header, err := proxyproto.Read(c.buffered)
		if !timer.Stop() {
			err = os.ErrDeadlineExceeded
		}
		if err == nil {
			err = c.setAddrs(header)
		}
		if err != nil {
			c.err = &HeaderError{c.remote, err}
			drop(c.Conn)
		}
	})
	return c.err
}

// setAddrs takes the addresses from a header, except from that of a proxy's own connection.
func (c *proxyConn) setAddrs(header *proxyproto.Header) error {
	if header.Command.IsLocal() {
		return nil
	}
	from, to, ok := header.TCPAddrs()
	if !ok {
		return errors.New("it must be that of a TCP connection")
	}
	c.local, c.remote = to, from
	return nil
}

func (c *proxyConn) LocalAddr() net.Addr {
	c.readHeader()
	return c.local
}

func (c *proxyConn) RemoteAddr() net.Addr {
	c.readHeader()
	return c.remote
}

func (c *proxyConn) Read(p []byte) (int, error) {
	if err := c.readHeader(); err != nil {
		return 0, err
	}
	if c.buffered != nil && c.buffered.Buffered() > 0 {
		return c.buffered.Read(p)
	}
	c.buffered = nil
	return c.Conn.Read(p)
}

func (c *proxyConn) Write(p []byte) (int, error) {
	if err := c.readHeader(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *proxyConn) SetLinger(seconds int) error {
	if l, ok := c.Conn.(Lingerer); ok {
		return l.SetLinger(seconds)
	}
	return errors.ErrUnsupported
}

func (c *proxyConn) CloseWrite() error {
	if h, ok := c.Conn.(HalfCloser); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *proxyConn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
