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

// headerTime is how long a connection may take to say, in its PROXY header, whose it is.
const headerTime = 3 * time.Second

// Proxied returns a listener for control connections of which those from the networks in from have come through a
// proxy, and begin with a PROXY header, version 1 or 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt). All others
// are what they seem to be: a header on them is taken for what the client says.
//
// Accept does not wait for the header; Read, Write, LocalAddr and RemoteAddr of the connection do, for 3 s. The addresses
// are then those of the header: where the client came to, and the client. If the header is late, missing or wrong, the
// connection is reset: Read and Write return why, and the addresses are the socket's, as they are if the proxy says that
// it has come for itself (LOCAL). HostAddr returns the address of this host to which the proxy came. SetLinger, CloseWrite
// and SyscallConn reach the socket.
func Proxied(l net.Listener, from []netip.Prefix) net.Listener {
	return proxied{l, from}
}

type proxied struct {
	net.Listener
	from []netip.Prefix
}

func (p proxied) Accept() (net.Conn, error) {
	conn, err := p.Listener.Accept()
	if err == nil && listed(p.from, AddrPort(conn.RemoteAddr()).Addr()) {
		conn = newHeaded(conn)
	}
	return conn, err
}

// listed reports whether an address is in one of the networks.
func listed(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a.WithZone("")) })
}

// A headed is a connection that begins with a PROXY header.
type headed struct {
	net.Conn
	once          sync.Once
	begin         *bufio.Reader // what was read with the header; nil when that has been given out
	local, remote net.Addr
	err           error
}

func newHeaded(conn net.Conn) *headed { return &headed{Conn: conn, begin: bufio.NewReader(conn)} }

// header reads the header, unless that has been done, and returns what is wrong with it.
func (h *headed) header() error {
	h.once.Do(func() {
		h.local, h.remote = h.Conn.LocalAddr(), h.Conn.RemoteAddr()
		// Not a read deadline, which would be that of whoever uses the connection, too.
		late := time.AfterFunc(headerTime, func() { drop(h.Conn) })
		said, err := proxyproto.Read(h.begin)
		if !late.Stop() {
			err = os.ErrDeadlineExceeded
		}
		if err == nil {
			err = h.believe(said)
		}
		if err != nil {
			h.err = fmt.Errorf("the PROXY header of %v: %w", h.remote, err)
			drop(h.Conn)
		}
	})
	return h.err
}

func (h *headed) believe(said *proxyproto.Header) error {
	if said.Command.IsLocal() {
		return nil
	}
	from, to, ok := said.TCPAddrs()
	if !ok {
		return errors.New("it names no TCP connection")
	}
	h.local, h.remote = to, from
	return nil
}

func (h *headed) LocalAddr() net.Addr {
	h.header()
	return h.local
}

func (h *headed) RemoteAddr() net.Addr {
	h.header()
	return h.remote
}

func (h *headed) Read(p []byte) (int, error) {
	if err := h.header(); err != nil {
		return 0, err
	}
	if h.begin != nil && h.begin.Buffered() > 0 {
		return h.begin.Read(p)
	}
	h.begin = nil
	return h.Conn.Read(p)
}

func (h *headed) Write(p []byte) (int, error) {
	if err := h.header(); err != nil {
		return 0, err
	}
	return h.Conn.Write(p)
}

func (h *headed) SetLinger(seconds int) error {
	if c, ok := h.Conn.(Lingerer); ok {
		return c.SetLinger(seconds)
	}
	return errors.ErrUnsupported
}

func (h *headed) CloseWrite() error {
	if c, ok := h.Conn.(HalfCloser); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (h *headed) SyscallConn() (syscall.RawConn, error) {
	if c, ok := h.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
