package harness

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
)

// An FTPProxy relays FTP sessions between clients and s3ftpd, until it fails one of them.
type FTPProxy struct {
	t      testing.TB
	Addr   string        // where clients connect
	Cut    chan struct{} // closed when the fault has happened
	server string        // address of s3ftpd
	fault  func(*Session)

	mu   sync.Mutex
	left int64 // bytes that clients may still send over data connections; 0 or less = all
}

// A Session is one control connection through an FTPProxy, with the data connections that belong to it.
type Session struct {
	proxy *FTPProxy
	mu    sync.Mutex
	Conns []*net.TCPConn // the client's ends and the server's ends, in turn
}

// NewFTPProxy starts a proxy that lets clients send so many bytes over data connections, and then calls fault.
func NewFTPProxy(t testing.TB, server string, bytes int64, fault func(*Session)) *FTPProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &FTPProxy{t: t, Addr: l.Addr().String(), server: server, left: bytes, fault: fault, Cut: make(chan struct{})}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.control(conn.(*net.TCPConn))
		}
	}()
	return p
}

// dial connects to the server for a client's connection. Both end with the test.
func (s *Session) dial(client *net.TCPConn, addr string) *net.TCPConn {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		client.SetLinger(0)
		client.Close()
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Conns = append(s.Conns, client, conn.(*net.TCPConn))
	s.proxy.t.Cleanup(func() { client.Close(); conn.Close() })
	return conn.(*net.TCPConn)
}

var passivePort = regexp.MustCompile(`^229 .*\(\|\|\|(\d+)\|\)|^227 .*\(\d+,\d+,\d+,\d+,(\d+),(\d+)\)`)

// control relays a control connection, and replaces the passive ports in replies by the proxy's own.
func (p *FTPProxy) control(client *net.TCPConn) {
	s := &Session{proxy: p}
	server := s.dial(client, p.server)
	if server == nil {
		return
	}
	go Pass(server, client)
	defer client.CloseWrite()
	for r := bufio.NewReader(server); ; {
		text, err := r.ReadString('\n')
		if m := passivePort.FindStringSubmatch(text); m != nil {
			text = s.port(m[1:])
		}
		if _, failed := io.WriteString(client, text); err != nil || failed != nil {
			return
		}
	}
}

// port listens on a port of the proxy for a passive port of the server, and returns the reply that names it.
func (s *Session) port(m []string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "425 " + err.Error() + "\r\n"
	}
	to, own := m[0], l.Addr().(*net.TCPAddr).Port
	reply := fmt.Sprintf("229 Extended (|||%d|)\r\n", own)
	if to == "" {
		var high, low int
		fmt.Sscan(m[1], &high)
		fmt.Sscan(m[2], &low)
		to, reply = fmt.Sprint(high<<8+low), fmt.Sprintf("227 Passive (127,0,0,1,%d,%d).\r\n", own>>8, own&0xff)
	}
	go func() {
		defer l.Close()
		if conn, err := l.Accept(); err == nil {
			s.data(conn.(*net.TCPConn), to)
		}
	}()
	return reply
}

// data relays a data connection until the fault.
func (s *Session) data(client *net.TCPConn, port string) {
	server := s.dial(client, net.JoinHostPort("127.0.0.1", port))
	if server == nil {
		return
	}
	go Pass(client, server)
	b := make([]byte, 64*KiB)
	for {
		n, err := client.Read(b)
		n, last := s.proxy.allow(n)
		if _, failed := server.Write(b[:n]); failed != nil {
			return
		}
		if last {
			s.proxy.fault(s)
			close(s.proxy.Cut)
			return
		}
		if err != nil {
			server.CloseWrite()
			return
		}
	}
}

// allow returns how many of so many bytes may pass, and whether they are the last before the fault.
func (p *FTPProxy) allow(bytes int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left <= 0 {
		return bytes, false
	}
	p.left -= int64(bytes)
	return bytes + int(min(p.left, 0)), p.left <= 0
}

// Pass copies one direction of a connection, and its FIN.
func Pass(to, from *net.TCPConn) {
	io.Copy(to, from)
	to.CloseWrite()
}

// ResetData is a fault: it resets the data connections.
func ResetData(s *Session) { s.reset(func(i int) bool { return i >= 2 }) }

// ResetAll is a fault: it resets all connections, on both sides.
func ResetAll(s *Session) { s.reset(func(int) bool { return true }) }

// ResetControl is a fault: it resets the control connection, while the data connection ends with a FIN.
func ResetControl(s *Session) {
	s.reset(func(i int) bool { return i < 2 })
	s.Conns[len(s.Conns)-1].CloseWrite()
}

// LoseClient is a fault: it resets all connections of the client, and leaves those of the server open and silent.
func LoseClient(s *Session) { s.reset(func(i int) bool { return i%2 == 0 }) }

func (s *Session) reset(which func(i int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.Conns {
		if which(i) {
			c.SetLinger(0)
			c.Close()
		}
	}
}
