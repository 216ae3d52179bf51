package ftp

import (
	"context"
	"errors"
	"io"
	"time"
)

// Limits of reading and discarding the rest of a refused upload. Most clients that are reset while they send report the reset
// instead of the reply: they read the reply after they have sent everything.
const (
	maxDiscarded = 64 << 20 // bytes
	maxDiscards  = 4        // data connections of a session
)

// canDiscard reports whether the client may still be sending a failed upload on an intact data connection.
func (t *transfer) canDiscard(ctx context.Context, err error) bool {
	return t.upload && t.conn != nil && t.conn.endedAt.IsZero() && err != nil && ctx.Err() == nil &&
		!errors.As(err, new(dataError)) && !errors.As(err, new(tlsError)) && !errors.As(err, new(workPanic))
}

// discard reads and discards in the background, without decrypting TLS, until the client ends the connection, lingerTimeout is over
// or maxDiscarded is reached; then it resets the connection. It returns false if too many are being discarded.
func (d *dataConn) discard(l *lingering, turns chan struct{}) bool {
	select {
	case turns <- struct{}{}:
	default:
		return false
	}
	if !d.detach() {
		<-turns
		return false
	}
	l.Go(func() {
		defer func() { <-turns }()
		defer d.reset()
		over := time.NewTimer(lingerTimeout)
		defer over.Stop()
		d.plain.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		if n, _ := io.CopyN(io.Discard, d.plain.Conn, maxDiscarded); n == maxDiscarded {
			<-over.C // gives a client that checks for replies while sending the time to read this one
		}
	})
	return true
}
