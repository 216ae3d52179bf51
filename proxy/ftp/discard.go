package ftp

import (
	"context"
	"errors"
	"io"
	"time"
)

// What a client may send of an upload after it was refused. A reset in the middle of sending is all that most clients report: they
// read the reply, which says why, only when they have sent the rest, or when nothing is amiss with the data connection.
const (
	maxDiscarded = 64 << 20 // bytes
	maxDiscards  = 4        // data connections of a session
)

// canDiscard reports whether the client of an upload that has failed may still be sending, and can be told why by the reply alone.
func (t *transfer) canDiscard(ctx context.Context, err error) bool {
	return t.upload && t.conn != nil && t.conn.endedAt.IsZero() && err != nil && ctx.Err() == nil &&
		!errors.As(err, new(dataError)) && !errors.As(err, new(tlsError)) && !errors.As(err, new(workPanic))
}

// discard reads and drops what the client still sends, in the background, and then resets the data connection: for lingerTimeout, or up
// to maxDiscarded, or until the client ends it. Under TLS it is not decrypted. It reports false where it does not.
func (d *dataConn) discard(tails *lingering, turns chan struct{}) bool {
	select {
	case turns <- struct{}{}:
	default:
		return false
	}
	if !d.detach() {
		<-turns
		return false
	}
	tails.Go(func() {
		defer func() { <-turns }()
		defer d.reset()
		over := time.NewTimer(lingerTimeout)
		defer over.Stop()
		d.steady.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		if n, _ := io.CopyN(io.Discard, d.steady.Conn, maxDiscarded); n == maxDiscarded {
			<-over.C // a client that looks at replies while it sends has time to see this one
		}
	})
	return true
}
