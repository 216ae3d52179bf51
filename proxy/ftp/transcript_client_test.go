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

// A testClient is a client that a transcript speaks for.
type testClient struct {
	conn     net.Conn
	left     bool // it has ended the control connection
	from, to netip.AddrPort
	replies  chan string   // lines; closed when the server hangs up
	secured  chan net.Conn // what they come over after AUTH; closed when the client hangs up
	once     sync.Once
	tls      tlsClient

	upload bool           // the last transfer sends to the server
	dial   netip.AddrPort // the server's port
	offer  netip.AddrPort // the client's
	accept net.Listener   // on it
	data   net.Conn
	under  net.Conn     // data without TLS
	zip    *zlib.Writer // into data; nil = data goes as it is
	in     *bufio.Reader
}

// turn lets another client speak, and connects it the first time: the sixth one over IPv6.
func (s *script) turn(n int) {
	for len(s.who) <= n {
		s.who = append(s.who, nil)
	}
	if s.who[n] == nil {
		s.who[n] = s.connect(n)
	}
	s.testClient = s.who[n]
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
		conn = config.shakeHands(s, conn, false)
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

func (c *testClient) hangUp() {
	c.once.Do(func() { close(c.secured) })
	c.conn.Close()
	if c.data != nil {
		c.under.Close()
	}
	if c.accept != nil {
		c.accept.Close()
	}
}

// talk plays a C, S or D line.
func (s *script) talk(mark, arg string) {
	switch mark {
	case "C>", "C=", "C+":
		s.say(mark, arg)
	case "C.":
		s.left = true
		s.conn.Close()
		synctest.Wait()
	case "H>":
		s.conn = s.tls.shakeHands(s, s.conn, false)
		s.secured <- s.conn
	case "H-":
		s.secured <- s.conn
	case "S>":
		s.hear(arg)
	case "S=":
		s.hear(s.unquote(arg))
	case "S!":
		if n, err := io.Copy(io.Discard, s.in); n > 0 || !errors.Is(err, syscall.ECONNRESET) {
			s.fatalf("%d bytes come over the data connection, and %v, want a reset", n, err)
		}
	case "S-":
		s.silence()
	case "S.":
		if got, open := <-s.replies; open {
			s.fatalf("the server says %q, and does not hang up", got)
		}
	case "D>", "D=", "D.", "D!", "D~", "D|", "H!":
		s.transferStep(mark, arg)
	default:
		s.fatalf("what is %q?", mark)
	}
}

// patience is for the server's grace at the end of an upload; all else that takes time needs a T line.
const patience = 2 * time.Millisecond

// hear takes one line from the server.
func (s *script) hear(want string) {
	select {
	case got, open := <-s.replies:
		if got, isLine := strings.CutSuffix(got, "\r"); !open || !isLine || !wild(want, got) {
			s.fatalf("the server says %q, want %q", got, want)
		}
		s.notePort(got)
	case <-time.After(patience):
		s.fatalf("the server says nothing, want %q", want)
	}
}

func (s *script) say(mark, arg string) {
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
		s.command(strings.TrimSpace(line))
	}
	if _, err := io.WriteString(s.conn, text); err != nil {
		s.fatalf("%v", err)
	}
}

// wild matches a text with a pattern in which * stands for anything.
func wild(want, got string) bool {
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
