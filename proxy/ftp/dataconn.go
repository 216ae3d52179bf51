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

// A dataConn is a data connection. It counts bytes, and wraps its errors in dataError.
type dataConn struct {
	net.Conn // plain, or TLS on plain
	plain    *stallConn
	records  *batchConn  // under TLS downloads; nil otherwise
	detach   func() bool // stops the end of the context from interrupting I/O
	bytes    *atomic.Int64
	openedAt time.Time // when it was established
	lastRead time.Time // when Read last returned bytes
	endedAt  time.Time // when the client ended it
}

// lastByte returns when the last byte from the client arrived, even if it was read much later. The result is never too late, and
// too early by the resolution of the kernel's clock at most.
func (d *dataConn) lastByte() time.Time {
	now := time.Now() // before asking for the age: a delay of this goroutine in between makes the result earlier, not later
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

// protect adds TLS.
func (d *dataConn) protect(ctx context.Context, c *tlsSession, upload bool, o proxy.Observer) error {
	var under net.Conn = d.plain
	switch {
	case !upload:
		d.records = &batchConn{Conn: under}
		under = d.records
	case !c.LenientClose:
		under = closeNotifyConn{under}
	}
	_, identified := below[*replayConn](d.plain.Conn) // identified by its ticket, which others may have copied from the network
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
		d.closeWrite() // some clients wait for it before they read the reply
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

// closeWrite ends the server's side: close_notify under TLS, then FIN.
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

// lingerTimeout limits the wait for the client's FIN after the server's.
const lingerTimeout = 2 * time.Second

// finish closes a data connection after a complete transfer. It waits in the background for the client's FIN: closing earlier may
// send a reset, which discards data that the client has not read.
func (d *dataConn) finish(l *lingering) {
	_, halves := below[passive.HalfCloser](d.plain.Conn)
	if !halves || !d.endedAt.IsZero() || !d.detach() {
		d.plain.Conn.Close()
		return
	}
	l.Go(func() {
		defer d.plain.Conn.Close()
		d.plain.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		io.CopyN(io.Discard, d.plain.Conn, 64<<10)
	})
}

// reset resets the data connection, so that the client does not take the transfer for complete.
func (d *dataConn) reset() {
	if c, ok := below[passive.Lingerer](d.plain.Conn); ok {
		c.SetLinger(0)
	}
	d.plain.Conn.Close()
}

// A stallConn returns an error when no bytes move for the stall timeout, or its context is done.
type stallConn struct {
	net.Conn
	ctx   context.Context
	stall time.Duration
}

func (s *stallConn) Read(p []byte) (int, error) {
	s.SetReadDeadline(time.Now().Add(s.stall))
	if s.ctx.Err() != nil { // checked after SetReadDeadline, which may have overwritten the deadline that interrupts I/O
		return 0, context.Cause(s.ctx)
	}
	return s.Conn.Read(p)
}

// Write succeeds as long as some bytes are accepted within each stall timeout.
func (s *stallConn) Write(p []byte) (int, error) {
	return stall.Write(s.Conn, p, func() error {
		s.SetWriteDeadline(time.Now().Add(s.stall))
		return context.Cause(s.ctx)
	})
}
