package sftp

import (
	"errors"
	"os"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/stall"
)

const (
	// sshBuffer is the size in bytes of the buffer that package ssh writes through. It writes a larger packet in pieces, of which the
	// first fills the buffer.
	sshBuffer = 4096

	// holdTime is how long the first piece waits for the next one: a packet may be as large as the buffer.
	holdTime = time.Millisecond
)

// Write implements io.Writer. It sends the first piece of a packet together with the next one, which saves a system call, and a
// segment of TCP, for each packet of data.
func (s *socket) Write(p []byte) (n int, err error) {
	defer s.recoverPanic(&err)
	s.out.Lock()
	defer s.out.Unlock()
	if len(p) == sshBuffer && len(s.held) == 0 {
		s.held = append(s.held, p...)
		if s.holding == nil {
			s.holding = time.AfterFunc(holdTime, s.flush)
		} else {
			s.holding.Reset(holdTime)
		}
		return len(p), nil
	}
	if err := s.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush writes what is held. If a Write runs, that has done so.
func (s *socket) flush() {
	var err error
	defer func() {
		if err != nil {
			s.end(err)
		}
	}()
	defer s.recoverPanic(&err)
	if !s.out.TryLock() {
		return
	}
	defer s.out.Unlock()
	if len(s.held) > 0 {
		err = s.write(nil)
	}
}

// write writes what is held, and p. An error ends the connection.
func (s *socket) write(p []byte) error {
	s.rest = s.pieces[:0]
	for _, piece := range [][]byte{s.held, p} {
		if len(piece) > 0 {
			s.rest = append(s.rest, piece)
		}
	}
	s.held = s.held[:0]
	s.whenStuck.Store(s.received.Load())
	s.writing.Store(true)
	err := stall.WriteBuffers(s.Conn, &s.rest, s.renew)
	s.writing.Store(false)
	s.unread.changed()
	clear(s.pieces[:])
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.end(errClientStalled)
	case err != nil:
		s.end(err)
	}
	return err
}

// renew sets the deadline for the next byte that a client accepts.
func (s *socket) renew() error {
	s.progress()
	s.whenStuck.Store(s.received.Load())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return s.cause
	}
	return s.Conn.SetWriteDeadline(time.Now().Add(replyTimeout))
}
