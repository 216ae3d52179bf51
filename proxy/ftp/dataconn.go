package ftp

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/stall"
)

// A dataConn is a data connection, which counts what it moves and marks its errors as its own.
type dataConn struct {
	net.Conn // what files go over: the steady one, or TLS on it
	plain    *stallConn
	records  *batchConn  // under TLS that the client only receives on; nil else
	detach   func() bool // keeps the end of its context from it
	bytes    *atomic.Int64
	openedAt time.Time // it was made
	lastRead time.Time // the last bytes from the client were read
	endedAt  time.Time // the client ended it
}

// lastByte returns when the last byte from the client arrived, which may be long before it was read. It is never later than that, and at most
// as much earlier as the kernel's clock is coarse.
func (d *dataConn) lastByte() time.Time {
	now := time.Now() // before the age is told: whatever delays this goroutine in between makes the result earlier, not later
	if age, known := sinceLastData(d.plain.Conn); known {
		if at := now.Add(-age); at.Before(d.lastRead) {
			return at
		}
	}
	return d.lastRead
}

func newDataConn(ctx context.Context, conn net.Conn, stall time.Duration, bytes *atomic.Int64) *dataConn {
	s := &stallConn{Conn: conn, ctx: ctx, stall: stall}
	hold := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return &dataConn{Conn: s, plain: s, detach: hold, bytes: bytes, openedAt: time.Now()}
}

// protect makes a TLS connection of it.
func (d *dataConn) protect(ctx context.Context, c *tlsSession, upload bool, o proxy.Observer) error {
	var under net.Conn = d.plain
	switch {
	case !upload:
		d.records = &batchConn{Conn: under}
		under = d.records
	case !c.LenientClose:
		under = closeNotifyConn{under}
	}
	_, identified := below[*replayConn](d.plain.Conn) // apart from others by its ticket, which anybody on the way could repeat
	secure, err := c.protect(ctx, under, upload, identified)
	if err != nil {
		return err
	}
	state := secure.ConnectionState()
	c.noteWeak(ctx, o, state)
	d.Conn, d.openedAt = secure, time.Now()
	return nil
}

func (d *dataConn) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	d.bytes.Add(int64(n))
	if n > 0 {
		d.lastRead = time.Now()
	}
	switch {
	case err == io.EOF:
		d.endedAt = time.Now()
		d.closeWrite() // some clients wait for it before they look for the reply
	case err != nil:
		err = dataError{err}
	}
	return n, err
}

func (d *dataConn) Write(p []byte) (int, error) {
	n, err := d.records.batch(d.Conn.Write, p)
	d.bytes.Add(int64(n))
	if err != nil {
		err = dataError{err}
	}
	return n, err
}

// closeWrite tells the client that no more comes: by close_notify under TLS, and by TCP's own end.
func (d *dataConn) closeWrite() error {
	if secure, ok := d.Conn.(*tls.Conn); ok {
		if err := secure.CloseWrite(); err != nil {
			return dataError{err}
		}
	}
	if tcp, ok := below[passive.HalfCloser](d.plain.Conn); ok {
		if err := tcp.CloseWrite(); err != nil {
			return dataError{err}
		}
	}
	return nil
}

// lingerTimeout is how long a client has to end its side of a connection that we have ended.
const lingerTimeout = 2 * time.Second

// finish closes a data connection that was ended in good order. To close it before the client has done so could reset it, and
// destroy what the client has not read yet; so that is waited for, but not by the reply.
func (d *dataConn) finish(tails *lingering) {
	_, halves := below[passive.HalfCloser](d.plain.Conn)
	if !halves || !d.endedAt.IsZero() || !d.detach() {
		d.plain.Conn.Close()
		return
	}
	tails.Go(func() {
		defer d.plain.Conn.Close()
		d.plain.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		io.CopyN(io.Discard, d.plain.Conn, 64<<10)
	})
}

// reset ends the data connection so that the client can tell it from a good end.
func (d *dataConn) reset() {
	if c, ok := below[passive.Lingerer](d.plain.Conn); ok {
		c.SetLinger(0)
	}
	d.plain.Conn.Close()
}

// A steady connection fails when it makes no progress, or its context ends.
type stallConn struct {
	net.Conn
	ctx   context.Context
	stall time.Duration
}

func (s *stallConn) Read(p []byte) (int, error) {
	s.SetReadDeadline(time.Now().Add(s.stall))
	if s.ctx.Err() != nil { // asked after the deadline was set, which may have been over the one that ends all
		return 0, context.Cause(s.ctx)
	}
	return s.Conn.Read(p)
}

// Write goes on as long as any byte is accepted within the stall time-out.
func (s *stallConn) Write(p []byte) (int, error) {
	return stall.Write(s.Conn, p, func() error {
		s.SetWriteDeadline(time.Now().Add(s.stall))
		return context.Cause(s.ctx)
	})
}
