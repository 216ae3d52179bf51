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

// TestConnects: 10,000 clients connect and leave at once, half of them with a reset, and 10,000 log in and quit. The next client must
// be served at once, and all memory and descriptors must be released.
//
// The memory is RssAnon, which includes garbage until more clients cause a collection. The baseline is taken after a first round,
// because Go's runtime keeps the memory of the most concurrent sessions. A leak of a KiB for each client is found.
func TestConnects(t *testing.T) {
	harness.Alone(t) // it measures memory, which depends on when the garbage collector runs
	const clients = 10_000
	store := real.MinIO(t)
	harness.NewBucket(t, store)
	b := startServer(t, store, "--max-sessions", "2000", "--max-sessions-per-ip", "2000", "--max-sessions-per-user", "2000")
	b.concurrently(t, clients, b.leave)
	b.awaitSessionEnds(t)
	b.concurrently(t, clients, b.logInAndQuit)
	b.awaitSessionEnds(t)
	before, threads, open := b.stat(t, "RssAnon"), b.stat(t, "Threads"), b.descriptors(t)
	for _, each := range []func(int) error{b.leave, b.logInAndQuit} {
		b.concurrently(t, clients, each)
		b.Connect(t).Cmd(221, "QUIT")
		b.awaitSessionEnds(t)
		b.back(t, open)
		at := b.stat(t, "RssAnon")
		harness.Until(t, "memory is back", func() bool {
			b.concurrently(t, 100, b.logInAndQuit)
			return b.stat(t, "RssAnon") <= before*6/5+4096
		})
		t.Logf("%d KiB before, %d KiB after, and %d KiB some more clients later", before, at, b.stat(t, "RssAnon"))
	}
	if n := b.stat(t, "Threads"); n > threads+8 {
		t.Errorf("%d threads before, %d after", threads, n)
	}
}

// concurrently calls a function n times, 32 at a time.
func (b server) concurrently(t *testing.T, n int, each func(i int) error) {
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

// leave connects and disconnects.
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

// logInAndQuit logs in and quits.
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

// dialFrom connects from one of a hundred addresses of this host, since one address has too few ports for all clients.
func (b server) dialFrom(i int) (net.Conn, error) {
	from := netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("127.0.1.%d", 1+i%100)), 0)
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from)}
	return d.Dial("tcp", b.Addr)
}
