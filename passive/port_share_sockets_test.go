package passive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// wantRefused checks that a connection from an address of this host is reset.
func wantRefused(t *testing.T, from, to netip.Addr, port uint16) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialTCP(t.Context(), "tcp", netip.AddrPortFrom(from, 0), netip.AddrPortFrom(to, port))
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		real.Missing(t, "the address "+from.String())
	case errors.Is(err, syscall.ECONNRESET): // reset before the dialler checked the connection
	case err != nil:
		t.Fatal(err)
	default:
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		wantReset(t, conn)
	}
}

// 24 sessions of one address and one of another share a port.
func TestSessionsShareSocket(t *testing.T) {
	p := onePort(t, loopback)
	second := netip.MustParseAddr("127.0.0.2")
	freePort(t, second) // skips if the host lacks the address
	var sessions sync.WaitGroup
	session := func(from netip.Addr, id string) {
		l, err := p.Listen(t.Context(), Claim{Local: loopback, Peer: from, Timeout: 30 * time.Second, ID: id, Identify: identify})
		if err != nil {
			t.Error(err)
			return
		}
		defer l.Close()
		clientEnd := connect(t, from, loopback, l.Port())
		fmt.Fprintf(clientEnd, "%-8s", id)
		serverEnd, err := l.Conn(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		defer serverEnd.Close()
		got := make([]byte, 8)
		if _, err := io.ReadFull(serverEnd, got); err != nil || string(got) != fmt.Sprintf("%-8s", id) {
			t.Errorf("session %s has the connection with ID %q, %v", id, got, err)
		}
	}
	first := listen(t, p, Claim{Local: loopback, Peer: second, Timeout: 30 * time.Second, ID: "last", Identify: identify}) // keeps the port open
	for i := range 24 {
		sessions.Go(func() { session(loopback, fmt.Sprint(i)) })
	}
	sessions.Wait()
	wantRefused(t, loopback, loopback, first.Port()) // no session of this address waits any more
	fmt.Fprintf(connect(t, second, loopback, first.Port()), "%-8s", "last")
	wantID(t, first, "last")
}

// A connection that loses its claims while it is identified must be reset; a FIN would look like an empty file.
func TestCloseResetsCandidate(t *testing.T) {
	p := onePort(t, loopback)
	identifying := make(chan bool)
	slow := func(ctx context.Context, conn net.Conn) (net.Conn, string) {
		close(identifying)
		return identify(ctx, conn)
	}
	a := listen(t, p, Claim{Local: loopback, Peer: loopback, Timeout: 30 * time.Second, ID: "a", Identify: slow})
	b := listen(t, p, Claim{Local: loopback, Peer: loopback, Timeout: 30 * time.Second, ID: "b", Identify: slow})
	clientEnd := connect(t, loopback, loopback, a.Port())
	<-identifying
	a.Close()
	b.Close()
	wantReset(t, clientEnd)
}
