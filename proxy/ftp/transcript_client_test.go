package ftp

import (
	"bufio"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing/synctest"
	"time"
)

// A testClient is the client of a transcript.
type testClient struct {
	conn     net.Conn
	closed   bool // the client has closed the control connection
	from, to netip.AddrPort
	replies  chan string   // lines; closed with the control connection
	secured  chan net.Conn // the control connection after AUTH; closed by closeControl
	once     sync.Once
	tls      tlsClient

	upload bool           // the last transfer is an upload
	dial   netip.AddrPort // the server's passive address
	offer  netip.AddrPort // the address of PORT or EPRT
	accept net.Listener   // on offer
	data   net.Conn
	tcp    net.Conn     // data without TLS
	zip    *zlib.Writer // to data; nil = no compression
	in     *bufio.Reader
}

// switchTo switches to client n, and connects it the first time. Client 6 uses IPv6.
func (s *script) switchTo(n int) {
	for len(s.clients) <= n {
		s.clients = append(s.clients, nil)
	}
	if s.clients[n] == nil {
		s.clients[n] = s.connect(n)
	}
	s.testClient = s.clients[n]
}

func (s *script) connect(n int) *testClient {
	from, to := netip.AddrPortFrom(clientAddr, uint16(1024+n)), serverAddr
	switch {
	case n == 6:
		from, to = netip.AddrPortFrom(client6, 1030), server6
	case s.implicit:
		to = serverTLS
	}
	conn, err := s.net.dial(s.t.Context(), "tcp", from, to)
	if err != nil {
		s.fatalf("%v", err)
	}
	config := newTLSClient(s.version)
	if s.implicit {
		conn = config.handshake(s, conn, false)
	}
	c := newTestClient(conn, from, to)
	c.tls, c.tls.private = config, s.implicit
	if s.login {
		for _, l := range []string{"", "USER test", "PASS secret"} {
			if l != "" {
				fmt.Fprintf(conn, "%s\r\n", l)
			}
			if got := <-c.replies; got == "" || got[0] >= '4' {
				s.fatalf("login: %q", got)
			}
		}
	}
	return c
}

func newTestClient(conn net.Conn, from, to netip.AddrPort) *testClient {
	c := &testClient{conn: conn, from: from, to: to, replies: make(chan string, 5000), secured: make(chan net.Conn)}
	go func() {
		defer close(c.replies)
		for r := bufio.NewReader(conn); ; {
			l, err := r.ReadString('\n')
			if err != nil {
				return
			}
			c.replies <- strings.TrimSuffix(l, "\n")
			if strings.HasPrefix(l, "234 ") {
				secured, ok := <-c.secured
				if !ok {
					return
				}
				r = bufio.NewReader(secured)
			}
		}
	}()
	return c
}

func (c *testClient) closeControl() {
	c.once.Do(func() { close(c.secured) })
	c.conn.Close()
	if c.data != nil {
		c.tcp.Close()
	}
	if c.accept != nil {
		c.accept.Close()
	}
}

// playIO plays a C, S or D line.
func (s *script) playIO(mark, arg string) {
	switch mark {
	case "C>", "C=", "C+":
		s.send(mark, arg)
	case "C.":
		s.closed = true
		s.conn.Close()
		synctest.Wait()
	case "H>":
		s.conn = s.tls.handshake(s, s.conn, false)
		s.secured <- s.conn
	case "H-":
		s.secured <- s.conn
	case "S>":
		s.expectReply(arg)
	case "S=":
		s.expectReply(s.unquote(arg))
	case "S!":
		if n, err := io.Copy(io.Discard, s.in); n > 0 || !errors.Is(err, syscall.ECONNRESET) {
			s.fatalf("received %d bytes and %v on the data connection, want a reset", n, err)
		}
	case "S-":
		s.expectSilence()
	case "S.":
		if got, open := <-s.replies; open {
			s.fatalf("the server sends %q, want that it closes the connection", got)
		}
	case "D>", "D=", "D.", "D!", "D~", "D|", "H!":
		s.transferStep(mark, arg)
	default:
		s.fatalf("unknown kind of line %q", mark)
	}
}

// patience is the time that a reply may take: the grace period of an upload. Longer waits need a T line.
const patience = 2 * time.Millisecond

// expectReply receives one line, which must match want.
func (s *script) expectReply(want string) {
	select {
	case got, open := <-s.replies:
		if got, isLine := strings.CutSuffix(got, "\r"); !open || !isLine || !matches(want, got) {
			s.fatalf("the server sends %q, want %q", got, want)
		}
		s.keepAddress(got)
	case <-time.After(patience):
		s.fatalf("the server sends nothing, want %q", want)
	}
}

// send executes a C line.
func (s *script) send(mark, arg string) {
	text := arg + "\r\n"
	switch mark {
	case "C+":
		n, verb, _ := strings.Cut(arg, " ")
		size, _ := strconv.Atoi(n)
		text = verb + " " + strings.Repeat("n", size) + "\r\n"
	case "C=":
		text = s.unquote(arg)
	}
	for line := range strings.Lines(text) {
		s.keepParameters(strings.TrimSpace(line))
	}
	if _, err := io.WriteString(s.conn, text); err != nil {
		s.fatalf("%v", err)
	}
}

// matches reports whether got matches want, in which * matches any text.
func matches(want, got string) bool {
	parts := strings.Split(want, "*")
	if len(parts) == 1 {
		return want == got
	}
	if !strings.HasPrefix(got, parts[0]) {
		return false
	}
	got = got[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(got, p)
		if !found {
			return false
		}
		got = rest
	}
	return strings.HasSuffix(got, parts[len(parts)-1])
}
