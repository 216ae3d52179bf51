package sftp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
)

const (
	// replyTimeout ends a connection whose client takes no replies.
	replyTimeout = 30 * time.Second

	// lingerTimeout limits the wait for the client's FIN after the server's.
	lingerTimeout = 2 * time.Second
	maxLinger     = 128 << 10 // bytes that are read meanwhile
)

// Errors that end a connection.
var (
	errClientClosed  = errors.New("the client closed the connection")
	errClientStalled = errors.New("the client takes no replies")
	errClosed        = errors.New("the connection is closed") // by package ssh, whose error says why
)

// A socket is the TCP connection below package ssh. After end, Read and Write fail.
type socket struct {
	net.Conn
	kill    context.CancelCauseFunc // called by end
	onData  func()                  // called when the first byte arrives; set before use
	onPanic func(v any)             // reports a panic of a method; set before use
	unread  *unread                 // limits what is read; set before use
	queue   packetQueue

	loggedIn   atomic.Bool
	received   atomic.Int64  // bytes
	lastActive atomic.Int64  // time since start of the last progress in a direction
	writing    atomic.Bool   // a Write waits for the client
	whenStuck  atomic.Int64  // received when the client accepted the last byte of that Write
	paused     atomic.Bool   // Read waits, because too much is unread
	ended      chan struct{} // closed by end
	start      time.Time

	mu    sync.Mutex
	cause error // of end; nil = it was not called

	out     sync.Mutex  // held by Write; guards the following
	held    []byte      // the first piece of a packet, which waits for the next one
	holding *time.Timer // calls flush; nil = nothing was held yet
	pieces  [2][]byte   // what write writes
	rest    net.Buffers // of pieces

	reading chan struct{} // holds a value while Conn is read: a lock that tests in a bubble of synctest can wait for
	version []byte        // what the client begins with, as far as it was received; guarded by reading
}

func newSocket(conn net.Conn, kill context.CancelCauseFunc) *socket {
	return &socket{
		Conn: conn, kill: kill, ended: make(chan struct{}), start: time.Now(), queue: packetQueue{known: make(chan struct{})},
		reading: make(chan struct{}, 1),
	}
}

// end ends the connection. Only the first call has an effect.
func (s *socket) end(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	s.cause = cause
	close(s.ended)
	s.Conn.SetDeadline(time.Unix(1, 0)) // wakes Read and Write
	s.kill(cause)
}

// endCause returns the cause of end, or nil.
func (s *socket) endCause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Close implements net.Conn, for package ssh. It does not close Conn, see hangUp.
func (s *socket) Close() error {
	s.flush()
	s.end(errClosed)
	return nil
}

// idle returns the time since the last byte in a direction.
func (s *socket) idle() time.Duration {
	return time.Since(s.start) - time.Duration(s.lastActive.Load())
}

func (s *socket) progress() { s.lastActive.Store(int64(time.Since(s.start))) }

// recoverPanic keeps a panic from package ssh, whose goroutines would not recover from it.
func (s *socket) recoverPanic(err *error) {
	if v := recover(); v != nil {
		s.onPanic(v)
		*err = io.EOF
	}
}

// hangUp closes the connection after package ssh has ended. It waits for the client's FIN first: closing with unread bytes sends
// a reset, and the client might not see the last words.
func (s *socket) hangUp() {
	s.end(errClosed)
	s.reading <- struct{}{} // package ssh reads no more, or reads the end
	defer func() { <-s.reading }()
	defer s.Conn.Close()
	if h, ok := s.Conn.(passive.HalfCloser); ok && h.CloseWrite() == nil {
		s.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		io.CopyN(io.Discard, s.Conn, maxLinger)
	}
}
