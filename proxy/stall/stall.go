// Package stall writes to a peer that may be slow, but must not stall: with a deadline that each byte renews, not one for
// the whole.
//
// A slow peer accepts a part of a write until the deadline passes, and [net.Conn] then returns both the number of bytes and
// an error. Taking that for a failure would cut off clients on slow lines; ignoring it would wait for dead ones forever.
package stall

import (
	"errors"
	"io"
	"os"
)

// Write writes p to w. Before each attempt it calls renew, which sets the deadline by which w must have accepted another
// byte, or returns an error that ends the Write. A deadline that passes ends it only if w has accepted nothing since it was
// set, so at the latest two deadlines after the last byte.
func Write(w io.Writer, p []byte, renew func() error) (n int, err error) {
	for n < len(p) {
		if err := renew(); err != nil {
			return n, err
		}
		m, err := w.Write(p[n:])
		n += m
		if err != nil && !(m > 0 && errors.Is(err, os.ErrDeadlineExceeded)) {
			return n, err
		}
	}
	return n, nil
}
