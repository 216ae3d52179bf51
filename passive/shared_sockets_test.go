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
	case errors.Is(err, syscall.ECONNRESET): // it has come and gone before the dialler looked
	case err != nil:
		t.Fatal(err)
	default:
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		wantReset(t, conn)
	}
}

// 24 sessions of one address, strangers, and a session of another address, all on one port at the same time.
func TestSessionsShareAPortOfTheSystem(t *testing.T) {
	p := onePort(t, loopback)
	second := netip.MustParseAddr("127.0.0.2")
	freePort(t, second) // or the host has no such address
	var sessions sync.WaitGroup
	session := func(from netip.Addr, id string) {
		l, err := p.Listen(t.Context(), Claim{Local: loopback, Peer: from, Timeout: 30 * time.Second, ID: id, Identify: identify})
		if err != nil {
			t.Error(err)
			return
		}
		defer l.Close()
		near := connect(t, from, loopback, l.Port())
		fmt.Fprintf(near, "%-8s", id)
		far, err := l.Conn(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		said := make([]byte, 8)
		if _, err := io.ReadFull(far, said); err != nil || string(said) != fmt.Sprintf("%-8s", id) {
			t.Errorf("session %s has the connection that shows %q, %v", id, said, err)
		}
	}
	first := claim(t, p, Claim{Local: loopback, Peer: second, Timeout: 30 * time.Second, ID: "last", Identify: identify}) // holds the port
	for i := range 24 {
		sessions.Go(func() { session(loopback, fmt.Sprint(i)) })
	}
	sessions.Wait()
	wantRefused(t, loopback, loopback, first.Port()) // nobody from there waits any more
	fmt.Fprintf(connect(t, second, loopback, first.Port()), "%-8s", "last")
	wantID(t, first, "last")
}

// A connection whose claim ends while it is asked for its ID is reset, not closed: it must not look like an empty file.
func TestAConnectionInExaminationIsReset(t *testing.T) {
	p := onePort(t, loopback)
	asked := make(chan bool)
	slow := func(ctx context.Context, conn net.Conn) (net.Conn, string) {
		close(asked)
		return identify(ctx, conn)
	}
	a := claim(t, p, Claim{Local: loopback, Peer: loopback, Timeout: 30 * time.Second, ID: "a", Identify: slow})
	b := claim(t, p, Claim{Local: loopback, Peer: loopback, Timeout: 30 * time.Second, ID: "b", Identify: slow})
	near := connect(t, loopback, loopback, a.Port())
	<-asked
	a.Close()
	b.Close()
	wantReset(t, near)
}
