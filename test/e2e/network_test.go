package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
)

// A network lies between a client and the bridge, and can fail. Its address is the bridge's as the client sees it.
type network struct {
	t      testing.TB
	addr   string
	bridge string // address of the real one
	fault  func(*line)
	cut    chan struct{} // closed when the fault has happened

	mu   sync.Mutex
	left int64 // bytes that clients may still send over data connections; 0 or less = all
}

// A line is one control connection through the network, with the data connections that belong to it.
type line struct {
	n     *network
	mu    sync.Mutex
	conns []*net.TCPConn // the client's ends and the bridge's ends, in turn
}

// newNetwork returns a network that lets a client send so many bytes over data connections, and then does as fault says.
func newNetwork(t testing.TB, bridge string, bytes int64, fault func(*line)) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{t: t, addr: l.Addr().String(), bridge: bridge, left: bytes, fault: fault, cut: make(chan struct{})}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go n.control(conn.(*net.TCPConn))
		}
	}()
	return n
}

// dial joins a client's connection to one to the bridge.
func (l *line) dial(client *net.TCPConn, addr string) *net.TCPConn {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		client.SetLinger(0)
		client.Close()
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, client, conn.(*net.TCPConn))
	l.n.t.Cleanup(func() { client.Close(); conn.Close() })
	return conn.(*net.TCPConn)
}

var passivePort = regexp.MustCompile(`^229 .*\(\|\|\|(\d+)\|\)|^227 .*\(\d+,\d+,\d+,\d+,(\d+),(\d+)\)`)

// control passes on a control connection, with the ports that the bridge names replaced by the network's own.
func (n *network) control(client *net.TCPConn) {
	l := &line{n: n}
	bridge := l.dial(client, n.bridge)
	if bridge == nil {
		return
	}
	go pass(bridge, client)
	defer client.CloseWrite()
	for r := bufio.NewReader(bridge); ; {
		text, err := r.ReadString('\n')
		if m := passivePort.FindStringSubmatch(text); m != nil {
			text = l.port(m[1:])
		}
		if _, failed := io.WriteString(client, text); err != nil || failed != nil {
			return
		}
	}
}

// port opens one of the network's own for the bridge's, and returns the reply that names it.
func (l *line) port(m []string) string {
	p, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "425 " + err.Error() + "\r\n"
	}
	to, own := m[0], p.Addr().(*net.TCPAddr).Port
	reply := fmt.Sprintf("229 Extended (|||%d|)\r\n", own)
	if to == "" {
		var high, low int
		fmt.Sscan(m[1], &high)
		fmt.Sscan(m[2], &low)
		to, reply = fmt.Sprint(high<<8+low), fmt.Sprintf("227 Passive (127,0,0,1,%d,%d).\r\n", own>>8, own&0xff)
	}
	go func() {
		defer p.Close()
		if conn, err := p.Accept(); err == nil {
			l.data(conn.(*net.TCPConn), to)
		}
	}()
	return reply
}

// data passes on a data connection until the fault.
func (l *line) data(client *net.TCPConn, port string) {
	bridge := l.dial(client, net.JoinHostPort("127.0.0.1", port))
	if bridge == nil {
		return
	}
	go pass(client, bridge)
	b := make([]byte, 64*kib)
	for {
		n, err := client.Read(b)
		n, last := l.n.allow(n)
		if _, failed := bridge.Write(b[:n]); failed != nil {
			return
		}
		if last {
			l.n.fault(l)
			close(l.n.cut)
			return
		}
		if err != nil {
			bridge.CloseWrite()
			return
		}
	}
}

// allow returns how many of so many bytes may pass, and whether they are the last before the fault.
func (n *network) allow(bytes int) (int, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.left <= 0 {
		return bytes, false
	}
	n.left -= int64(bytes)
	return bytes + int(min(n.left, 0)), n.left <= 0
}

func pass(to, from *net.TCPConn) {
	io.Copy(to, from)
	to.CloseWrite()
}

// The faults of a network.

// resetData breaks the data connections.
func resetData(l *line) { l.reset(func(i int) bool { return i >= 2 }) }

// resetAll breaks all connections, for both sides.
func resetAll(l *line) { l.reset(func(int) bool { return true }) }

// resetControl breaks the control connection, while the data connection ends well.
func resetControl(l *line) {
	l.reset(func(i int) bool { return i < 2 })
	l.conns[len(l.conns)-1].CloseWrite()
}

// loseClient breaks all connections for the client; to the bridge they are silent.
func loseClient(l *line) { l.reset(func(i int) bool { return i%2 == 0 }) }

func (l *line) reset(which func(i int) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range l.conns {
		if which(i) {
			c.SetLinger(0)
			c.Close()
		}
	}
}
