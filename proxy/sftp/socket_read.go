package sftp

import (
	"errors"
	"io"
	"time"
)

// maxBeforeLogin limits the bytes that a client may send before it is logged in. 20 public keys of RSA with 16384 bits need 45 KiB.
const maxBeforeLogin = 128 << 10

var (
	errNotSSH         = errors.New("the client does not speak SSH 2.0")
	errTooMuchAtLogin = errors.New("the client has sent too much before its login")
)

// Read implements io.Reader. Its only error is io.EOF, after end.
func (s *socket) Read(p []byte) (n int, err error) {
	defer s.recoverPanic(&err)
	s.reading <- struct{}{}
	defer func() { <-s.reading }()
	if !s.unread.await(s) {
		return 0, io.EOF
	}
	n, err = s.Conn.Read(p[:s.queue.limit(len(p), s.ended)])
	if n > 0 {
		s.progress()
		s.queue.passed(n)
		if s.received.Add(int64(n)) == int64(n) {
			s.onData()
		}
	}
	switch refusal := s.check(p[:n]); {
	case refusal != nil:
		s.end(refusal)
	case err == io.EOF:
		s.end(errClientClosed)
	case err != nil:
		s.end(err)
	default:
		return n, nil
	}
	return 0, io.EOF
}

// What a client begins with: RFC 4253, sections 4.2 and 5.1. Some clients that know SSH 1 as well send the second one.
const (
	version2   = "SSH-2.0-"
	version199 = "SSH-1.99-"
)

// check returns an error if the client may not have sent p.
func (s *socket) check(p []byte) error {
	if s.loggedIn.Load() {
		return nil
	}
	if s.received.Load() > maxBeforeLogin {
		return errTooMuchAtLogin
	}
	if missing := len(version2) - len(s.version); missing > 0 {
		s.version = append(s.version, p[:min(len(p), missing)]...)
		if got := string(s.version); got != version2[:len(got)] && got != version199[:len(got)] {
			s.Conn.SetWriteDeadline(time.Now().Add(lingerTimeout))
			io.WriteString(s.Conn, "Invalid SSH identification string.\r\n")
			return errNotSSH
		}
	}
	return nil
}
