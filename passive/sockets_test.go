package passive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// These tests use TCP sockets on loopback addresses.

var (
	loopback   = netip.MustParseAddr("127.0.0.1")
	onLoopback = Claim{Local: loopback, Peer: loopback, Timeout: 30 * time.Second}
)

// freePort returns a free port below the range of ephemeral ports.
func freePort(t *testing.T, local netip.Addr) uint16 {
	t.Helper()
	for range 1000 {
		port := uint16(20000 + rand.IntN(10000))
		if l, err := net.Listen("tcp", netip.AddrPortFrom(local, port).String()); err == nil {
			l.Close()
			return port
		}
	}
	real.Missing(t, "a free port on the address "+local.String())
	return 0
}

// onePort returns a range of one free port.
func onePort(t *testing.T, local netip.Addr) *Ports {
	port := freePort(t, local)
	return &Ports{First: port, Last: port, Wait: 30 * time.Second, Log: silent}
}

// connect dials to a port from an address of this host.
func connect(t *testing.T, from, to netip.Addr, port uint16) *net.TCPConn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialTCP(t.Context(), "tcp", netip.AddrPortFrom(from, 0), netip.AddrPortFrom(to, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second)) // a hanging test fails
	return conn
}

// wantReset checks that the server has reset the connection; a FIN would look like an empty file.
func wantReset(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := conn.Read(make([]byte, 1))
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading from %v to %v: %v; want a reset", conn.LocalAddr(), conn.RemoteAddr(), err)
	}
}

// wantPair checks that the listener's connection is the other end of conn.
func wantPair(t *testing.T, l *Listener, conn net.Conn) {
	t.Helper()
	got, err := l.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { got.Close() })
	if got.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Errorf("the connection is from %v; want %v", got.RemoteAddr(), conn.LocalAddr())
	}
}

func TestConnectionsFromOtherHostsAreReset(t *testing.T) {
	p := onePort(t, loopback)
	l, err := p.Listen(t.Context(), onLoopback)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for last := byte(2); last <= 101; last++ {
		wantRefused(t, netip.AddrFrom4([4]byte{127, 0, 0, last}), loopback, l.Port())
	}
	wantPair(t, l, connect(t, loopback, loopback, l.Port()))
	if got := p.Rejected(); got != 100 {
		t.Errorf("%d connections rejected; want 100", got)
	}
}

// 50 sessions have a connection at the same time, all of them through one port.
func TestOnePortServes50Sessions(t *testing.T) {
	p := onePort(t, loopback)
	var sessions sync.WaitGroup
	session := func(i byte) error {
		l, err := p.Listen(t.Context(), onLoopback)
		if err != nil {
			return err
		}
		defer l.Close()
		clientEnd, err := net.Dial("tcp", netip.AddrPortFrom(loopback, l.Port()).String())
		if err != nil {
			return err
		}
		t.Cleanup(func() { clientEnd.Close() })
		serverEnd, err := l.Conn(t.Context())
		if err != nil {
			return err
		}
		t.Cleanup(func() { serverEnd.Close() })
		if _, err := clientEnd.Write([]byte{i}); err != nil {
			return err
		}
		got := make([]byte, 1)
		if _, err := serverEnd.Read(got); err != nil || got[0] != i {
			return fmt.Errorf("session %d has the connection of session %d: %v", i, got[0], err)
		}
		return nil
	}
	for i := range byte(50) {
		sessions.Go(func() {
			if err := session(i); err != nil {
				t.Error(err)
			}
		})
	}
	sessions.Wait()
}

// A gated listener leaves connections in the backlog until gate is closed.
type gated struct {
	net.Listener
	gate chan struct{}
}

func (g gated) Accept() (net.Conn, error) {
	<-g.gate
	return g.Listener.Accept()
}

func TestStaleConnectionIsReset(t *testing.T) {
	p := onePort(t, loopback)
	gate := make(chan struct{})
	p.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
		var config net.ListenConfig
		l, err := config.Listen(ctx, network, address)
		return gated{l, gate}, err
	}
	first, err := p.Listen(t.Context(), onLoopback)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	ours := connect(t, loopback, loopback, first.Port())
	stale := connect(t, loopback, loopback, first.Port()) // in the backlog: the client sees it as connected
	close(gate)
	wantPair(t, first, ours)

	second, err := p.Listen(t.Context(), onLoopback)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.Port() != first.Port() {
		t.Fatalf("the second session has port %d; want %d again", second.Port(), first.Port())
	}
	wantReset(t, stale)
	wantPair(t, second, connect(t, loopback, loopback, second.Port()))
}

func TestIPv6(t *testing.T) {
	local := netip.IPv6Loopback()
	p := onePort(t, local)
	l, err := p.Listen(t.Context(), Claim{Local: local, Peer: local, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wantPair(t, l, connect(t, local, local, l.Port()))
}

func TestSocketIsClosed(t *testing.T) {
	wait := func(l *Listener) { l.Conn(t.Context()) }
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		end     func(*Listener)
	}{
		{"by the timeout", time.Millisecond, wait},
		{"by Close", 30 * time.Second, func(l *Listener) { l.Close() }},
		{"by the connection", 30 * time.Second, func(l *Listener) { wantPair(t, l, connect(t, loopback, loopback, l.Port())) }},
	} {
		p := onePort(t, loopback)
		l, err := p.Listen(t.Context(), Claim{Local: loopback, Peer: loopback, Timeout: tt.timeout})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		tt.end(l)
		other, err := net.Listen("tcp", netip.AddrPortFrom(loopback, l.Port()).String())
		if err != nil {
			t.Errorf("%s: another program cannot bind the port: %v", tt.name, err)
			continue
		}
		other.Close()
	}
}

func TestOnlyLocalAddressIsBound(t *testing.T) {
	p := onePort(t, loopback)
	l, err := p.Listen(t.Context(), onLoopback)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), l.Port())
	if conn, err := net.Dial("tcp", other.String()); err == nil {
		conn.Close()
		t.Errorf("%v accepts connections; want only %v", other, loopback)
	}
}

func TestCloseResetsUnusedConnection(t *testing.T) {
	p := onePort(t, loopback)
	l, err := p.Listen(t.Context(), onLoopback)
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, loopback, loopback, l.Port())
	l.Close()
	wantReset(t, conn)
}
