package passive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// activeClient listens as an FTP client in active mode. It returns its address and a function that accepts.
func activeClient(t *testing.T, local netip.Addr) (netip.AddrPort, func() net.Conn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, freePort(t, local))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.SetDeadline(time.Now().Add(30 * time.Second))
	return AddrPort(l.Addr()), func() net.Conn {
		t.Helper()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
}

// dialFrom opens an active data connection and returns its source address as the client sees it.
func dialFrom(t *testing.T, d *Dialer, local netip.Addr, remote netip.AddrPort, accept func() net.Conn) netip.AddrPort {
	t.Helper()
	conn, err := d.Dial(t.Context(), local, remote)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return AddrPort(accept().RemoteAddr())
}

func logTo(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func TestDialFromSourcePort(t *testing.T) {
	for _, local := range []netip.Addr{loopback, netip.MustParseAddr("127.0.0.5"), netip.IPv6Loopback()} {
		t.Run(local.String(), func(t *testing.T) {
			var log bytes.Buffer
			d := &Dialer{Port: freePort(t, local), Log: logTo(&log)}
			for range 3 { // different clients, all connected at the same time
				remote, accept := activeClient(t, local)
				if got, want := dialFrom(t, d, local, remote, accept), netip.AddrPortFrom(local, d.Port); got != want {
					t.Errorf("the client sees the source %v; want %v", got, want)
				}
			}
			if log.Len() != 0 {
				t.Errorf("unexpected log: %s", log.String())
			}
		})
	}
}

func TestDialFromAnyPort(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.5")
	freePort(t, local) // skips if the host lacks the address
	remote, accept := activeClient(t, loopback)
	if got := dialFrom(t, &Dialer{}, local, remote, accept); got.Addr() != local {
		t.Errorf("the client sees the source %v; want %v", got.Addr(), local)
	}
}

func TestDialFromSourcePortInUse(t *testing.T) {
	var log bytes.Buffer
	d := &Dialer{Port: freePort(t, loopback), Log: logTo(&log)}
	remote, accept := activeClient(t, loopback)
	ports := make(map[uint16]bool)
	for range 3 { // the same client, which sends the same PORT each time
		ports[dialFrom(t, d, loopback, remote, accept).Port()] = true
	}
	if len(ports) != 3 || !ports[d.Port] {
		t.Errorf("the connections came from %v; want %d first, then others", ports, d.Port)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings; want one:\n%s", n, log.String())
	}
}

// The side that closes first keeps the connection's addresses in TIME_WAIT for a minute. A client that names the same port
// again must not wait for that.
func TestDialAfterClosing(t *testing.T) {
	d := &Dialer{Port: freePort(t, loopback), Log: silent}
	remote, accept := activeClient(t, loopback)
	for range 10 {
		conn, err := d.Dial(t.Context(), loopback, remote)
		if err != nil {
			t.Fatal(err)
		}
		clientEnd := accept()
		conn.Close()
		if _, err := clientEnd.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read: %v; want EOF", err)
		}
		clientEnd.Close()
	}
}

func TestDialWhileAnotherProgramUsesSourcePort(t *testing.T) {
	var log bytes.Buffer
	taken, _ := activeClient(t, loopback)
	d := &Dialer{Port: taken.Port(), Log: logTo(&log)}
	remote, accept := activeClient(t, loopback)
	if got := dialFrom(t, d, loopback, remote, accept); got.Port() == d.Port || got.Addr() != loopback {
		t.Errorf("the connection came from %v; want any other port of %v", got, loopback)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings; want one:\n%s", n, log.String())
	}
}

// A dialRecorder records the addresses of dials. Dials from a port for which fail returns an error fail.
type dialRecorder struct {
	fail     func(port uint16) error
	from, to []netip.AddrPort
}

func (a *dialRecorder) dial(_ context.Context, _ string, local, remote netip.AddrPort) (net.Conn, error) {
	a.from, a.to = append(a.from, local), append(a.to, remote)
	if err := a.fail(local.Port()); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	conn, _ := net.Pipe()
	return conn, nil
}

func TestDialWarnsOncePerError(t *testing.T) {
	var log bytes.Buffer
	var errno syscall.Errno
	a := &dialRecorder{fail: func(port uint16) error {
		if port == 20 {
			return errno
		}
		return nil
	}}
	d := &Dialer{Port: 20, Log: logTo(&log), DialFunc: a.dial}
	remote := netip.AddrPortFrom(client, 5000)
	for _, errno = range []syscall.Errno{syscall.EACCES, syscall.EADDRINUSE, syscall.EACCES, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE} {
		if _, err := d.Dial(t.Context(), server, remote); err != nil {
			t.Errorf("%v from port 20: %v; want a connection from another port", errno, err)
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 3 || strings.Count(log.String(), "permission denied") != 1 {
		t.Errorf("%d warnings; want one for each of three errors:\n%s", n, log.String())
	}
	if len(a.from) != 10 || a.from[0] != netip.AddrPortFrom(server, 20) || a.from[1] != netip.AddrPortFrom(server, 0) {
		t.Errorf("dialled from %v; want port 20, then 0, five times", a.from)
	}
	if slices.ContainsFunc(a.to, func(to netip.AddrPort) bool { return to != remote }) {
		t.Errorf("dialled %v; want only %v", a.to, remote)
	}
}

func TestDialDoesNotRetryOtherErrors(t *testing.T) {
	for _, tt := range []struct {
		port uint16
		err  error
	}{{20, syscall.ECONNREFUSED}, {20, syscall.EHOSTUNREACH}, {20, context.DeadlineExceeded}, {0, syscall.EADDRNOTAVAIL}} {
		var log bytes.Buffer
		a := &dialRecorder{fail: func(uint16) error { return tt.err }}
		d := &Dialer{Port: tt.port, Log: logTo(&log), DialFunc: a.dial}
		conn, err := d.Dial(t.Context(), server, netip.AddrPortFrom(client, 5000))
		if !errors.Is(err, tt.err) || conn != nil || len(a.from) != 1 || log.Len() != 0 {
			t.Errorf("%v from port %d: %v, %v after %d dials; want this error after one dial, and nothing in the log\n%s",
				tt.err, tt.port, conn, err, len(a.from), log.String())
		}
	}
}

func TestDialRejectsInvalidAddresses(t *testing.T) {
	a := &dialRecorder{fail: func(uint16) error { return nil }}
	d := &Dialer{DialFunc: a.dial}
	for _, tt := range []struct{ local, remote string }{
		{"192.0.2.1", "0.0.0.0:5000"},
		{"192.0.2.1", "[::]:5000"},
		{"192.0.2.1", "[::ffff:0.0.0.0]:5000"},
		{"192.0.2.1", "198.51.100.7:0"},
		{"192.0.2.1", ""},
		{"", "198.51.100.7:5000"},
	} {
		local, _ := netip.ParseAddr(tt.local)
		remote, _ := netip.ParseAddrPort(tt.remote)
		if _, err := d.Dial(t.Context(), local, remote); err == nil || len(a.to) != 0 {
			t.Errorf("from %q to %q: %v, dialled %v; want an error and no dial", tt.local, tt.remote, err, a.to)
		}
	}
}

func TestDialUnmapsAddresses(t *testing.T) {
	a := &dialRecorder{fail: func(uint16) error { return nil }}
	d := &Dialer{Port: 20, DialFunc: a.dial}
	mapped := netip.AddrPortFrom(netip.AddrFrom16(client.As16()), 5000)
	if _, err := d.Dial(t.Context(), netip.AddrFrom16(server.As16()), mapped); err != nil {
		t.Fatal(err)
	}
	if a.from[0] != netip.AddrPortFrom(server, 20) || a.to[0] != netip.AddrPortFrom(client, 5000) {
		t.Errorf("dialled from %v to %v; want plain IPv4", a.from[0], a.to[0])
	}
}

func TestFailedDialReturnsNoConnection(t *testing.T) {
	remote := netip.AddrPortFrom(loopback, freePort(t, loopback)) // nothing listens there
	if conn, err := (&Dialer{}).Dial(t.Context(), loopback, remote); !errors.Is(err, syscall.ECONNREFUSED) || conn != nil {
		t.Errorf("got %v, %v; want nil, ECONNREFUSED", conn, err)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		dials := 0
		d := &Dialer{Port: 20, DialFunc: func(ctx context.Context, _ string, _, _ netip.AddrPort) (net.Conn, error) {
			dials++
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		start := time.Now()
		_, err := d.Dial(ctx, server, netip.AddrPortFrom(client, 5000))
		if !errors.Is(err, context.DeadlineExceeded) || dials != 1 || time.Since(start) != 20*time.Second {
			t.Errorf("got %v after %d dials and %v; want context.DeadlineExceeded after 20s", err, dials, time.Since(start))
		}
	})
}
