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
	balancer   = netip.MustParseAddr("10.0.0.5") // a proxy
	balancers  = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/8")}
	publicAddr = netip.MustParseAddrPort("203.0.113.1:21") // as clients know the server
)

// proxyHeader returns the PROXY header of a connection.
func proxyHeader(t *testing.T, version byte, from, to netip.AddrPort) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to))
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// localHeader returns the header of a proxy's own connection, such as a health check.
func localHeader(t *testing.T) string {
	t.Helper()
	b, err := (&proxyproto.Header{Version: 2, Command: proxyproto.LOCAL}).Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// udpHeader returns a valid header of UDP, which FTP cannot use.
func udpHeader(t *testing.T) string {
	t.Helper()
	udp := net.UDPAddrFromAddrPort(publicAddr)
	b, err := proxyproto.HeaderProxyFromAddrs(2, udp, udp).Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// acceptFrom connects to a listener made by Proxied, and returns both ends of the connection.
func acceptFrom(t *testing.T, from netip.Addr) (conn, clientEnd net.Conn) {
	t.Helper()
	m := newMemoryNet()
	l, err := m.listen(t.Context(), "tcp", onlyAddr.String())
	if err != nil {
		t.Fatal(err)
	}
	l = Proxied(l, balancers)
	t.Cleanup(func() { l.Close() })
	come := make(chan net.Conn)
	go func() { come <- m.dial(t, from, onlyAddr) }()
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

func TestAddressesAreTakenFromHeader(t *testing.T) {
	six := netip.MustParseAddrPort("[2001:db8::7]:5000")
	socket := netip.AddrPortFrom(balancer, 33333)
	for _, tt := range []struct {
		name, sent    string
		remote, local netip.AddrPort
	}{
		{"version 1", proxyHeader(t, 1, netip.AddrPortFrom(client, 5000), publicAddr), netip.AddrPortFrom(client, 5000), publicAddr},
		{"version 2", proxyHeader(t, 2, netip.AddrPortFrom(client, 5000), publicAddr), netip.AddrPortFrom(client, 5000), publicAddr},
		{"version 1, IPv6", proxyHeader(t, 1, six, six), six, six},
		{"version 2, IPv6", proxyHeader(t, 2, six, six), six, six},
		{"LOCAL", localHeader(t), socket, onlyAddr},
		{"UNKNOWN", "PROXY UNKNOWN\r\n", socket, onlyAddr},
	} {
		for _, from := range []netip.Addr{balancer, netip.AddrFrom16(balancer.As16())} {
			synctest.Test(t, func(t *testing.T) {
				conn, clientEnd := acceptFrom(t, from)
				go io.WriteString(clientEnd, tt.sent+"USER anonymous\r\n")
				if got := AddrPort(conn.RemoteAddr()); got != tt.remote {
					t.Errorf("%s: from %v; want %v", tt.name, got, tt.remote)
				}
				if got := AddrPort(conn.LocalAddr()); got != tt.local {
					t.Errorf("%s: to %v; want %v", tt.name, got, tt.local)
				}
				if got := HostAddr(conn); got != onlyAddr.Addr() {
					t.Errorf("%s: HostAddr is %v; want %v", tt.name, got, onlyAddr)
				}
				go io.WriteString(clientEnd, "PASS x\r\n")
				got := make([]byte, 24)
				if _, err := io.ReadFull(conn, got); err != nil || string(got) != "USER anonymous\r\nPASS x\r\n" {
					t.Errorf("%s: then %q, %v", tt.name, got, err)
				}
				go io.WriteString(conn, "220")
				if _, err := io.ReadFull(clientEnd, got[:3]); err != nil || string(got[:3]) != "220" {
					t.Errorf("%s: the client reads %q, %v", tt.name, got[:3], err)
				}
			})
		}
	}
}

func TestHeaderFromOtherNetworksIsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := proxyHeader(t, 1, netip.AddrPortFrom(other, 5000), publicAddr)
		conn, clientEnd := acceptFrom(t, client)
		go io.WriteString(clientEnd, sent)
		if got := AddrPort(conn.RemoteAddr()).Addr(); got != client {
			t.Errorf("RemoteAddr is %v, as in the header; want %v", got, client)
		}
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != sent {
			t.Errorf("read %q, %v; want the header", got, err)
		}
	})
}

func TestInvalidHeaderResetsConnection(t *testing.T) {
	good := proxyHeader(t, 2, netip.AddrPortFrom(client, 5000), publicAddr)
	for _, tt := range []struct {
		name, sent string
		after      time.Duration
	}{
		{"nothing", "", headerTimeout},
		{"half a header", good[:20], headerTimeout},
		{"a command", "USER anonymous\r\n", 0},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0},
		{"an invalid header", "PROXY TCP4 1.2.3.4\r\n", 0},
		{"a header of UDP", udpHeader(t), 0},
		{"an endless header", "PROXY " + strings.Repeat("x", 1000), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, clientEnd := acceptFrom(t, balancer)
				go io.WriteString(clientEnd, tt.sent)
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
					t.Error("Write succeeded after an invalid header")
				}
				wantDropped(t, clientEnd)
			})
		})
	}
}

func TestHeaderKeepsReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, clientEnd := acceptFrom(t, balancer)
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		go io.WriteString(clientEnd, localHeader(t))
		start := time.Now()
		_, err := conn.Read(make([]byte, 1))
		if waited := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || waited != time.Minute {
			t.Errorf("read: %v after %v; want os.ErrDeadlineExceeded after a minute", err, waited)
		}
	})
}
