package sftp

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// A direction is one direction of a memConn: a buffer of limited size, as that of a socket. It works inside a synctest bubble.
type direction struct {
	mu      sync.Mutex
	changed *sync.Cond
	data    []byte
	limit   int
	eof     bool // the writer has closed
	closed  bool // the reader has closed: writes fail
	total   int  // bytes written
}

func newDirection(limit int) *direction {
	d := &direction{limit: limit}
	d.changed = sync.NewCond(&d.mu)
	return d
}

// read returns the number of bytes that the reader has taken.
func (d *direction) read() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.total - len(d.data)
}

// A deadline wakes a direction when it expires.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (t *deadline) set(d *direction, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.at = at; !at.IsZero() {
		t.timer = time.AfterFunc(time.Until(at), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.changed.Broadcast()
		})
	}
	d.changed.Broadcast()
}

func (t *deadline) expired() bool { return !t.at.IsZero() && !time.Now().Before(t.at) }

// A memConn is one end of a TCP connection in memory.
type memConn struct {
	in, out               *direction
	local, remote         netip.AddrPort
	readDeadline, writing deadline
}

// newMemConn returns both ends of a connection with buffers of limit bytes.
func newMemConn(client, server netip.AddrPort, limit int) (atClient, atServer *memConn) {
	up, down := newDirection(limit), newDirection(limit)
	return &memConn{in: down, out: up, local: client, remote: server}, &memConn{in: up, out: down, local: server, remote: client}
}

func (c *memConn) Read(p []byte) (int, error) {
	d := c.in
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.closed:
			return 0, net.ErrClosed
		case c.readDeadline.expired():
			return 0, os.ErrDeadlineExceeded
		case len(d.data) > 0:
			n := copy(p, d.data)
			d.data = d.data[n:]
			d.changed.Broadcast()
			return n, nil
		case d.eof:
			return 0, io.EOF
		}
		d.changed.Wait()
	}
}

func (c *memConn) Write(p []byte) (n int, err error) {
	d := c.out
	d.mu.Lock()
	defer d.mu.Unlock()
	for n < len(p) {
		switch room := d.limit - len(d.data); {
		case d.eof:
			return n, net.ErrClosed
		case d.closed:
			return n, syscall.ECONNRESET
		case c.writing.expired():
			return n, os.ErrDeadlineExceeded
		case room > 0:
			m := min(room, len(p)-n)
			d.data = append(d.data, p[n:n+m]...)
			n += m
			d.total += m
			d.changed.Broadcast()
		default:
			d.changed.Wait()
		}
	}
	return n, nil
}

func (c *memConn) CloseWrite() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.eof = true
	c.out.changed.Broadcast()
	return nil
}

func (c *memConn) Close() error {
	c.CloseWrite()
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.closed = true
	c.in.changed.Broadcast()
	return nil
}

func (c *memConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *memConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *memConn) SetDeadline(at time.Time) error {
	c.SetReadDeadline(at)
	return c.SetWriteDeadline(at)
}

func (c *memConn) SetReadDeadline(at time.Time) error {
	c.readDeadline.set(c.in, at)
	return nil
}

func (c *memConn) SetWriteDeadline(at time.Time) error {
	c.writing.set(c.out, at)
	return nil
}

// A memListener accepts memConns.
type memListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemListener() *memListener {
	return &memListener{conns: make(chan net.Conn, 1000), closed: make(chan struct{})}
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
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(serverAddr) }
