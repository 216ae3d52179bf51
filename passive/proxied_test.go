package passive

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"
)

var (
	balancer  = netip.MustParseAddr("10.0.0.5") // through which clients come
	balancers = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/8")}
	known     = netip.MustParseAddrPort("203.0.113.1:21") // where they came to
)

// header is a PROXY header that says where a connection comes from, and where it went to.
func header(t *testing.T, version byte, from, to netip.AddrPort) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to))
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// local is the header of a proxy that comes for itself.
func local(t *testing.T) string {
	t.Helper()
	b, err := (&proxyproto.Header{Version: 2, Command: proxyproto.LOCAL}).Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// datagrams is a good header, of what can be no FTP connection.
func datagrams(t *testing.T) string {
	t.Helper()
	udp := net.UDPAddrFromAddrPort(known)
	b, err := proxyproto.HeaderProxyFromAddrs(2, udp, udp).Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// accepted connects through Proxied and returns the connection that it gives, and the other end of that.
func accepted(t *testing.T, from netip.Addr) (conn, near net.Conn) {
	t.Helper()
	m := newMemory()
	l, err := m.listen(t.Context(), "tcp", only.String())
	if err != nil {
		t.Fatal(err)
	}
	l = Proxied(l, balancers)
	t.Cleanup(func() { l.Close() })
	come := make(chan net.Conn)
	go func() { come <- m.dial(t, from, only) }()
	start := time.Now()
	if conn, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(start); waited != 0 {
		t.Errorf("Accept waited %v for a header", waited)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, <-come
}

func TestAddressesAreThoseOfTheHeader(t *testing.T) {
	six := netip.MustParseAddrPort("[2001:db8::7]:5000")
	socket := netip.AddrPortFrom(balancer, 33333)
	for _, tt := range []struct {
		name, says    string
		remote, local netip.AddrPort
	}{
		{"version 1", header(t, 1, netip.AddrPortFrom(client, 5000), known), netip.AddrPortFrom(client, 5000), known},
		{"version 2", header(t, 2, netip.AddrPortFrom(client, 5000), known), netip.AddrPortFrom(client, 5000), known},
		{"version 1, IPv6", header(t, 1, six, six), six, six},
		{"version 2, IPv6", header(t, 2, six, six), six, six},
		{"LOCAL", local(t), socket, only},
		{"UNKNOWN", "PROXY UNKNOWN\r\n", socket, only},
	} {
		for _, from := range []netip.Addr{balancer, netip.AddrFrom16(balancer.As16())} {
			synctest.Test(t, func(t *testing.T) {
				conn, near := accepted(t, from)
				go io.WriteString(near, tt.says+"USER anonymous\r\n")
				if got := AddrPort(conn.RemoteAddr()); got != tt.remote {
					t.Errorf("%s: from %v; want %v", tt.name, got, tt.remote)
				}
				if got := AddrPort(conn.LocalAddr()); got != tt.local {
					t.Errorf("%s: to %v; want %v", tt.name, got, tt.local)
				}
				if got := HostAddr(conn); got != only.Addr() {
					t.Errorf("%s: the socket's own address is %v; want %v", tt.name, got, only)
				}
				go io.WriteString(near, "PASS x\r\n")
				said := make([]byte, 24)
				if _, err := io.ReadFull(conn, said); err != nil || string(said) != "USER anonymous\r\nPASS x\r\n" {
					t.Errorf("%s: then %q, %v", tt.name, said, err)
				}
				go io.WriteString(conn, "220")
				if _, err := io.ReadFull(near, said[:3]); err != nil || string(said[:3]) != "220" {
					t.Errorf("%s: the client reads %q, %v", tt.name, said[:3], err)
				}
			})
		}
	}
}

func TestOnlyListedNetworksSendAHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := header(t, 1, netip.AddrPortFrom(other, 5000), known)
		conn, near := accepted(t, client)
		go io.WriteString(near, says)
		if got := AddrPort(conn.RemoteAddr()).Addr(); got != client {
			t.Errorf("from %v, as it says; want %v", got, client)
		}
		said := make([]byte, len(says))
		if _, err := io.ReadFull(conn, said); err != nil || string(said) != says {
			t.Errorf("read %q, %v; want all that was sent", said, err)
		}
	})
}

func TestAListedNetworkHasToSendAHeader(t *testing.T) {
	good := header(t, 2, netip.AddrPortFrom(client, 5000), known)
	for _, tt := range []struct {
		name, says string
		after      time.Duration
	}{
		{"silence", "", headerTime},
		{"half a header", good[:20], headerTime},
		{"a command", "USER anonymous\r\n", 0},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0},
		{"a bad header", "PROXY TCP4 1.2.3.4\r\n", 0},
		{"the header of datagrams", datagrams(t), 0},
		{"an endless header", "PROXY " + strings.Repeat("x", 1000), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, near := accepted(t, balancer)
				go io.WriteString(near, tt.says)
				start := time.Now()
				if got := AddrPort(conn.RemoteAddr()).Addr(); got != balancer {
					t.Errorf("from %v; want %v", got, balancer)
				}
				if waited := time.Since(start); waited != tt.after {
					t.Errorf("waited %v; want %v", waited, tt.after)
				}
				for range 2 {
					n, err := conn.Read(make([]byte, 10))
					if n != 0 || err == nil || err == io.EOF || errors.Is(err, os.ErrDeadlineExceeded) != (tt.after > 0) {
						t.Errorf("read %d bytes, %v; want an error", n, err)
					}
				}
				if _, err := conn.Write([]byte("220")); err == nil {
					t.Error("it can still be written to")
				}
				wantEnd(t, near)
			})
		})
	}
}

func TestADeadlineIsNotLiftedByTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, near := accepted(t, balancer)
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		go io.WriteString(near, local(t))
		start := time.Now()
		_, err := conn.Read(make([]byte, 1))
		if waited := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || waited != time.Minute {
			t.Errorf("read: %v after %v; want the end of the deadline after a minute", err, waited)
		}
	})
}
