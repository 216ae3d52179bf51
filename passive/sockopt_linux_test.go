package passive

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func wantOption(t *testing.T, socket syscall.Conn, name string, level, option, want int) {
	t.Helper()
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		got, err := unix.GetsockoptInt(int(fd), level, option)
		if err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", name, got, err, want)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func wantKeepAlive(t *testing.T, conn net.Conn) {
	t.Helper()
	tcp := conn.(*net.TCPConn)
	wantOption(t, tcp, "SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	wantOption(t, tcp, "TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15)
	wantOption(t, tcp, "TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15)
	wantOption(t, tcp, "TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4)
	wantOption(t, tcp, "TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0)
}

func TestSocketOptions(t *testing.T) {
	p := onePort(t, loopback)
	l, err := p.Listen(t.Context(), onLoopback)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	listener := l.port.socket.(*net.TCPListener)
	wantOption(t, listener, "SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	wantOption(t, listener, "SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT, 0)
	wantOption(t, listener, "SO_PROTOCOL", unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP)

	connect(t, loopback, loopback, l.Port())
	conn, err := l.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantKeepAlive(t, conn)

	remote, _ := activeClient(t, loopback)
	conn, err = (&Dialer{Port: freePort(t, loopback)}).Dial(t.Context(), loopback, remote)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantKeepAlive(t, conn)
	// With SO_REUSEPORT, another program could listen on the port and receive its connections.
	wantOption(t, conn.(*net.TCPConn), "SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	wantOption(t, conn.(*net.TCPConn), "SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT, 0)
}
