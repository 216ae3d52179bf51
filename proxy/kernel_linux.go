package proxy

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// States of a TCP connection whose peer still holds it open, from net/tcp_states.h.
const (
	tcpEstablished = 1
	tcpFinWait1    = 4
	tcpFinWait2    = 5
)

// kernelView asks the kernel for the round-trip time of a TCP connection and whether its peer has ended it.
// The time is the least one of the last minutes: in the smoothed one are the delays, tens of milliseconds,
// with which the peer acknowledges what it has nothing to answer to.
// Of another connection nothing is known: 0 and false.
func kernelView(conn net.Conn) (rtt time.Duration, ended bool) {
	onDescriptor(conn, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		rtt = time.Duration(info.Min_rtt) * time.Microsecond
		ended = info.State != tcpEstablished && info.State != tcpFinWait1 && info.State != tcpFinWait2
	})
	return rtt, ended
}

// keepUrgentInline makes urgent bytes arrive in their place among the others.
func keepUrgentInline(conn net.Conn) {
	onDescriptor(conn, func(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) })
}

func onDescriptor(conn net.Conn, f func(fd int)) {
	if c, ok := below[syscall.Conn](conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { f(int(fd)) })
		}
	}
}
