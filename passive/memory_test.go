package passive

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// A memory is a network for tests: it has addresses and ports, and connections that are pipes.
type memory struct {
	mu      sync.Mutex
	binds   int // calls of listen
	sockets map[netip.AddrPort]*memoryListener
	refuse  map[netip.AddrPort]syscall.Errno // what others do to a port
	clashes int                              // two of us on one port
	slow    bool                             // Accept ends a while before Close does, as it may with sockets
}

func newMemory() *memory {
	return &memory{
		sockets: make(map[netip.AddrPort]*memoryListener),
		refuse:  make(map[netip.AddrPort]syscall.Errno),
	}
}

func (m *memory) listen(_ context.Context, network, address string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.binds++
	at := netip.MustParseAddrPort(address)
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), uint16(40000+m.binds))
	}
	if errno := m.refuse[at]; errno != 0 {
		return nil, &net.OpError{Op: "listen", Net: network, Err: errno}
	}
	if m.sockets[at] != nil {
		m.clashes++
		return nil, &net.OpError{Op: "listen", Net: network, Err: syscall.EADDRINUSE}
	}
	l := &memoryListener{m: m, at: at, backlog: make(chan net.Conn), closed: make(chan struct{})}
	m.sockets[at] = l
	return l, nil
}

// occupy lets another program have the port, or, with 0, give it back.
func (m *memory) occupy(at netip.AddrPort, errno syscall.Errno) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse[at] = errno
}

// dial connects from an address to a port of the server, and returns the client's end.
func (m *memory) dial(t *testing.T, from netip.Addr, to netip.AddrPort) net.Conn {
	t.Helper()
	m.mu.Lock()
	l := m.sockets[to]
	m.mu.Unlock()
	if l == nil {
		t.Fatalf("nobody listens on %v", to)
	}
	near, far := net.Pipe()
	reset := new(atomic.Bool)
	at := memoryAddr{netip.AddrPortFrom(from, 33333)}
	select {
	case l.backlog <- memoryConn{far, at, memoryAddr{to}, reset}:
	case <-l.closed:
		t.Fatalf("%v was closed before it took the connection", to)
	}
	t.Cleanup(func() { near.Close() })
	return memoryConn{near, memoryAddr{to}, at, reset}
}

type memoryListener struct {
	m       *memory
	at      netip.AddrPort
	backlog chan net.Conn
	ended   atomic.Bool
	closed  chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.backlog:
		return conn, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}
	}
}

func (l *memoryListener) Close() error {
	if l.ended.Swap(true) {
		return net.ErrClosed // at once, while the first Close may be at work yet: so do sockets
	}
	close(l.closed)
	for i := 0; l.m.slow && i < 1000; i++ {
		runtime.Gosched()
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.sockets, l.at)
	return nil
}

func (l *memoryListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// A memoryConn is one end of a connection. Closed with a linger of 0 it ends in a reset, as a TCP connection does.
type memoryConn struct {
	net.Conn
	from, to memoryAddr
	reset    *atomic.Bool
}

func (c memoryConn) SetLinger(seconds int) error {
	c.reset.Store(seconds == 0)
	return nil
}

func (c memoryConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF && c.reset.Load() {
		err = syscall.ECONNRESET
	}
	return n, err
}

func (c memoryConn) RemoteAddr() net.Addr { return c.from }
func (c memoryConn) LocalAddr() net.Addr  { return c.to }

// A memoryAddr, unlike a net.TCPAddr, does not hide that it is IPv4 mapped to IPv6.
type memoryAddr struct{ netip.AddrPort }

func (memoryAddr) Network() string { return "tcp" }

// wantEnd checks that the other side has reset the connection.
func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, conn); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v; want a reset", n, err)
	}
}
