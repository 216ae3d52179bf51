// Package stall writes to peers that may be slow but must not stall, with a deadline that each accepted byte renews.
//
// If a slow peer has accepted a part of a write when the deadline passes, [net.Conn] returns the number of bytes and an
// error. To treat that as a failure would cut off clients on slow lines; to ignore it would wait for dead ones forever.
package stall

import (
	"errors"
	"io"
	"net"
	"os"
)

// Write writes p to w. Before each attempt it calls renew, which must set the deadline for the next byte; an error of renew
// ends the Write. An expired deadline ends it only if w has accepted nothing since renew set it, so no later than two
// deadlines after the last byte.
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

// WriteBuffers is Write with several pieces, which one system call can write. It removes what w has accepted from v.
func WriteBuffers(w io.Writer, v *net.Buffers, renew func() error) error {
	for len(*v) > 0 {
		if err := renew(); err != nil {
			return err
		}
		n, err := v.WriteTo(w)
		if err != nil && !(n > 0 && errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return nil
}
