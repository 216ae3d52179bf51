package load

import (
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestConnects has 10,000 clients connect and leave at once, half of them with a reset, and 10,000 log in and quit. The next client
// is served at once, and what they took is given back.
//
// The memory is RssAnon, which holds garbage too, until some more clients have had it collected. Before is after a first round of all
// that, because Go's runtime keeps what the most sessions at one time need. A loss of a KiB a client is found.
func TestConnects(t *testing.T) {
	harness.Alone(t) // it measures memory, and what the garbage collector finds time for
	const clients = 10_000
	store := real.MinIO(t)
	harness.NewBucket(t, store)
	b := startServer(t, store, "--max-sessions", "2000", "--max-sessions-per-ip", "2000", "--max-sessions-per-user", "2000")
	b.rush(t, clients, b.leave)
	b.allEnd(t)
	b.rush(t, clients, b.logInAndQuit)
	b.allEnd(t)
	before, threads, open := b.stat(t, "RssAnon"), b.stat(t, "Threads"), b.descriptors(t)
	for _, each := range []func(int) error{b.leave, b.logInAndQuit} {
		b.rush(t, clients, each)
		b.Connect(t).Cmd(221, "QUIT")
		b.allEnd(t)
		b.back(t, open)
		at := b.stat(t, "RssAnon")
		harness.Until(t, "memory is back", func() bool {
			b.rush(t, 100, b.logInAndQuit)
			return b.stat(t, "RssAnon") <= before*6/5+4096
		})
		t.Logf("%d KiB before, %d KiB after, and %d KiB some more clients later", before, at, b.stat(t, "RssAnon"))
	}
	if n := b.stat(t, "Threads"); n > threads+8 {
		t.Errorf("%d threads before, %d after", threads, n)
	}
}

// rush does something n times, 32 at a time.
func (b server) rush(t *testing.T, n int, each func(i int) error) {
	t.Helper()
	var all sync.WaitGroup
	for g := range 32 {
		all.Go(func() {
			for i := g; i < n; i += 32 {
				if err := each(i); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// leave connects and leaves again.
func (b server) leave(i int) error {
	conn, err := b.dialFrom(i)
	if err != nil {
		return err
	}
	if i%2 == 0 {
		conn.(*net.TCPConn).SetLinger(0)
	}
	return conn.Close()
}

// logInAndQuit is a client with nothing to do.
func (b server) logInAndQuit(i int) error {
	conn, err := b.dialFrom(i)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := textproto.NewConn(conn)
	if _, _, err := c.ReadResponse(220); err != nil {
		return err
	}
	if _, err := logIn(c); err != nil {
		return err
	}
	return ask(c, 221, "QUIT")
}

// dialFrom connects from one of a hundred addresses of this host, since one has not as many ports as there are clients.
func (b server) dialFrom(i int) (net.Conn, error) {
	from := netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("127.0.1.%d", 1+i%100)), 0)
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from)}
	return d.Dial("tcp", b.Addr)
}
