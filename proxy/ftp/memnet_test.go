package ftp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// A memnet is a network in memory that works inside a synctest bubble.
type memnet struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*memListener
	ephemeral uint16
}

// listen listens on an address; port 0 means a free one.
func (n *memnet) listen(address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if at.Port() == 0 {
		n.ephemeral++
		at = netip.AddrPortFrom(at.Addr(), 40000+n.ephemeral)
	}
	if n.listeners[at] != nil {
		return nil, syscall.EADDRINUSE
	}
	l := &memListener{net: n, at: at, conns: make(chan net.Conn, 100), closed: make(chan struct{})}
	if n.listeners == nil {
		n.listeners = make(map[netip.AddrPort]*memListener)
	}
	n.listeners[at] = l
	return l, nil
}

// dial connects from one address to another.
func (n *memnet) dial(_ context.Context, _ string, from, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[to]
	n.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	a, b := net.Pipe()
	broken := new(atomic.Bool)
	l.conns <- &memConn{b, to, from, broken}
	return &memConn{a, from, to, broken}, nil
}

type memListener struct {
	net    *memnet
	at     netip.AddrPort
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.listeners, l.at)
		close(l.closed)
	})
	return nil
}

func (l *memListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// A memConn is one end of a connection. If it is closed after SetLinger(0), the other end is reset, as with TCP.
type memConn struct {
	net.Conn
	local, remote netip.AddrPort
	broken        *atomic.Bool
}

func (c *memConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *memConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *memConn) SetLinger(seconds int) error {
	c.broken.Store(seconds == 0)
	return nil
}

func (c *memConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF && c.broken.Load() {
		err = fmt.Errorf("read: %w", syscall.ECONNRESET)
	}
	return n, err
}
