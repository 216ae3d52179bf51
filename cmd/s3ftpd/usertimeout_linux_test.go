package main

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Accepted connections inherit the keep-alive and TCP_USER_TIMEOUT settings of the listener.
func TestControlConnectionsFindDeadPeers(t *testing.T) {
	l, err := listen(t.Context(), "--ftp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[int]int{
		unix.TCP_USER_TIMEOUT: 60_000, unix.TCP_KEEPIDLE: 15, unix.TCP_KEEPINTVL: 15, unix.TCP_KEEPCNT: 4,
	} {
		raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, name); err != nil || got != want {
				t.Errorf("option %d: got %d, %v, want %d", name, got, err, want)
			}
		})
	}
}
