package ack

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A session is a raw FTP client. It sends any command, and closes or resets its connections in any order.
type session struct {
	raw    *net.TCPConn // the control connection
	conn   net.Conn     // raw, or TLS on it
	r      *bufio.Reader
	secure *tls.Config // nil = in clear
	user   *account
}

// password is that of all users.
const password = "s3cret"

// patience is the time limit for a reply.
const patience = 60 * time.Second

// dial begins a session and logs in.
func dial(addr string, user *account, secure bool) (*session, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	s := &session{raw: conn.(*net.TCPConn), conn: conn, r: bufio.NewReader(conn)}
	if err := s.login(user, secure); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) login(user *account, secure bool) error {
	if _, _, err := s.reply(); err != nil {
		return err
	}
	if secure {
		if err := s.expect(234, "AUTH TLS"); err != nil {
			return err
		}
		s.secure = &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
		s.conn = tls.Client(s.raw, s.secure)
		s.r = bufio.NewReader(s.conn)
		if err := s.sayAll("PBSZ 0", "PROT P"); err != nil {
			return err
		}
	}
	return s.authenticate(user)
}

// authenticate begins a login, which ends the one before.
func (s *session) authenticate(user *account) error {
	s.user = user
	return s.sayAll("USER "+user.name, "PASS "+password, "TYPE I")
}

// sayAll sends commands, and returns an error if one is refused.
func (s *session) sayAll(lines ...string) error {
	for _, line := range lines {
		if code, text, err := s.say(line); err != nil || code >= 400 {
			return fmt.Errorf("%s: %d %s: %w", line, code, text, err)
		}
	}
	return nil
}

func (s *session) expect(want int, line string) error {
	code, text, err := s.say(line)
	if err == nil && code != want {
		err = fmt.Errorf("%s: %d %s", line, code, text)
	}
	return err
}

// say sends a command and returns the reply.
func (s *session) say(line string) (code int, text string, err error) {
	if err := s.send(line); err != nil {
		return 0, "", err
	}
	return s.reply()
}

func (s *session) send(line string) error {
	s.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := s.conn.Write([]byte(line + "\r\n"))
	return err
}

// reply reads the next reply.
func (s *session) reply() (code int, text string, err error) {
	s.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return 0, "", err
		}
		text += line
		if len(line) < 4 {
			return 0, "", fmt.Errorf("a reply is %q", line)
		}
		if n, err := strconv.Atoi(line[:3]); err == nil && line[3] == ' ' {
			return n, strings.TrimSpace(text[4:]), nil
		}
	}
}

// A dataConn is a data connection.
type dataConn struct {
	raw  *net.TCPConn
	conn net.Conn // raw, or TLS on it
}

// A dataPort makes a data connection.
type dataPort func() (*net.TCPConn, error)

// open prepares a data connection, which the server makes if active.
func (s *session) open(active bool) (dataPort, func(), error) {
	if active {
		return s.listen()
	}
	code, text, err := s.say("EPSV")
	if err != nil {
		return nil, nil, err
	}
	_, port, _ := strings.Cut(text, "(|||")
	port, _, ok := strings.Cut(port, "|")
	if code != 229 || !ok {
		return nil, nil, fmt.Errorf("EPSV: %d %s", code, text)
	}
	host, _, _ := net.SplitHostPort(s.raw.RemoteAddr().String())
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), 5*time.Second)
	if err != nil {
		return nil, nil, err
	}
	return func() (*net.TCPConn, error) { return conn.(*net.TCPConn), nil }, func() { conn.Close() }, nil
}

func (s *session) listen() (dataPort, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	addr := l.Addr().(*net.TCPAddr)
	if err := s.expect(200, fmt.Sprintf("EPRT |1|%s|%d|", addr.IP, addr.Port)); err != nil {
		l.Close()
		return nil, nil, err
	}
	return func() (*net.TCPConn, error) {
		l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
		conn, err := l.Accept()
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	}, func() { l.Close() }, nil
}

// protect makes the data connection one of TLS, if the session is.
func (s *session) protect(raw *net.TCPConn) (*dataConn, error) {
	d := &dataConn{raw, raw}
	raw.SetDeadline(time.Now().Add(patience))
	if s.secure == nil {
		return d, nil
	}
	secure := tls.Client(raw, s.secure)
	d.conn = secure
	return d, secure.Handshake()
}

// end ends the data in good order.
func (d *dataConn) end() error {
	if secure, ok := d.conn.(*tls.Conn); ok {
		if err := secure.CloseWrite(); err != nil {
			return err
		}
	}
	return d.raw.CloseWrite()
}

// fin closes a connection as the kernel does for a killed process: without close_notify.
func fin(c *net.TCPConn) {
	c.CloseWrite()
	c.Close()
}

func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}
