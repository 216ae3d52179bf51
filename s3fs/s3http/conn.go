package s3http

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/stall"
)

// A conn is a connection to S3 that fails if no byte is sent or received within its limit. A Write renews the deadline of
// a Read, because S3 answers only after it has received the whole request.
type conn struct {
	net.Conn
	mu      sync.Mutex
	writing bool                                    // a Write is in progress, so Read has no deadline
	limit   atomic.Int64                            // nanoseconds
	cancel  atomic.Pointer[context.CancelCauseFunc] // of the request that uses the connection, or used it last
}

// setLimit sets how long the next request may make no progress.
func (c *conn) setLimit(limit time.Duration) {
	c.limit.Store(int64(limit))
	c.Conn.SetDeadline(c.deadline())
}

func (c *conn) deadline() time.Time { return time.Now().Add(time.Duration(c.limit.Load())) }

// beginWrite removes the deadline of a Read in progress.
func (c *conn) beginWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = true
	c.Conn.SetReadDeadline(time.Time{})
}

// endWrite sets the deadline of a Read again, for the response.
func (c *conn) endWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = false
	c.Conn.SetReadDeadline(c.deadline())
}

// beginRead sets the deadline of a Read. During a Write there is none; endWrite sets it.
func (c *conn) beginRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writing {
		c.Conn.SetReadDeadline(c.deadline())
	}
}

// Read implements io.Reader.
func (c *conn) Read(b []byte) (int, error) {
	c.beginRead()
	n, err := c.Conn.Read(b)
	c.cancelIfSilent(err)
	return n, err
}

// cancelIfSilent cancels the request if err is an exceeded deadline.
func (c *conn) cancelIfSilent(err error) {
	if cancel := c.cancel.Load(); cancel != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		(*cancel)(err)
	}
}

// Write implements io.Writer. It fails if S3 accepts no byte during a whole limit, so at most twice the limit after the
// last byte.
func (c *conn) Write(b []byte) (int, error) {
	c.beginWrite()
	defer c.endWrite()
	n, err := stall.Write(c.Conn, b, func() error {
		c.Conn.SetWriteDeadline(c.deadline())
		return nil
	})
	c.cancelIfSilent(err)
	return n, err
}

// ReadFrom implements io.ReaderFrom. net/http wraps a request body in an io.LimitedReader. If the body is an io.WriterTo,
// ReadFrom calls its WriteTo, which sends the body from its own memory without a copy.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	type writer struct{ io.Writer } // without ReadFrom
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(writer{c}, r)
	}
	body, ok := limited.R.(io.WriterTo)
	if !ok {
		return io.Copy(writer{c}, r)
	}
	n, err := body.WriteTo(writer{c})
	limited.N -= n
	return n, err
}
