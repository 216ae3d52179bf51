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

// A memoryNet is an in-memory network with pipes as connections.
type memoryNet struct {
	mu      sync.Mutex
	binds   int // calls of listen
	sockets map[netip.AddrPort]*memoryListener
	refuse  map[netip.AddrPort]syscall.Errno // errors of listen by address
	clashes int                              // calls of listen for an address in use
	slow    bool                             // Close releases the address some time after Accept has returned, as with sockets
}

func newMemoryNet() *memoryNet {
	return &memoryNet{
		sockets: make(map[netip.AddrPort]*memoryListener),
		refuse:  make(map[netip.AddrPort]syscall.Errno),
	}
}

func (m *memoryNet) listen(_ context.Context, network, address string) (net.Listener, error) {
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

// occupy makes listen on the address fail with errno, or succeed again if it is 0.
func (m *memoryNet) occupy(at netip.AddrPort, errno syscall.Errno) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse[at] = errno
}

// dial connects to a listener and returns the client's end.
func (m *memoryNet) dial(t *testing.T, from netip.Addr, to netip.AddrPort) net.Conn {
	t.Helper()
	m.mu.Lock()
	l := m.sockets[to]
	m.mu.Unlock()
	if l == nil {
		t.Fatalf("no listener on %v", to)
	}
	clientEnd, serverEnd := net.Pipe()
	reset := new(atomic.Bool)
	at := memoryAddr{netip.AddrPortFrom(from, 33333)}
	select {
	case l.backlog <- memoryConn{serverEnd, at, memoryAddr{to}, reset}:
	case <-l.closed:
		t.Fatalf("%v was closed before it accepted the connection", to)
	}
	t.Cleanup(func() { clientEnd.Close() })
	return memoryConn{clientEnd, memoryAddr{to}, at, reset}
}

type memoryListener struct {
	m       *memoryNet
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
		return net.ErrClosed // as sockets do, even while the first Close is still running
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

// A memoryConn is one end of a connection. Like a TCP connection, it is reset if it is closed after SetLinger(0).
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

// A memoryAddr, unlike a net.TCPAddr, keeps IPv4-mapped IPv6 addresses visible in its string.
type memoryAddr struct{ netip.AddrPort }

func (memoryAddr) Network() string { return "tcp" }

// wantDropped checks that the server has reset the connection.
func wantDropped(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, conn); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v; want a reset", n, err)
	}
}
