package ftp

import (
	"math"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// TCP states in which the peer has not sent FIN, from net/tcp_states.h.
const (
	tcpEstablished = 1
	tcpFinWait1    = 4
	tcpFinWait2    = 5
)

// tcpState returns the round-trip time of a TCP connection and whether the peer has ended it; 0 and false if conn is not TCP.
// The time is the minimum of the last minutes: the smoothed one includes the peer's delayed acknowledgements, tens of milliseconds.
func tcpState(conn net.Conn) (rtt time.Duration, ended bool) {
	info := tcpInfo(conn)
	if info == nil {
		return 0, false
	}
	if info.Min_rtt != math.MaxUint32 { // not measured yet
		rtt = time.Duration(info.Min_rtt) * time.Microsecond
	}
	return rtt, info.State != tcpEstablished && info.State != tcpFinWait1 && info.State != tcpFinWait2
}

// tick is the longest clock tick by which a kernel counts the time since data arrived (CONFIG_HZ is 100 to 1000).
const tick = 10 * time.Millisecond

// sinceLastData returns the time since data arrived on a TCP connection, read or not, and whether it is known. It is at most a tick
// too long, and never too short.
func sinceLastData(conn net.Conn) (age time.Duration, known bool) {
	info := tcpInfo(conn)
	if info == nil {
		return 0, false
	}
	return time.Duration(info.Last_data_recv)*time.Millisecond + tick, true
}

// tcpInfo returns TCP_INFO, nil if conn is not TCP.
func tcpInfo(conn net.Conn) (info *unix.TCPInfo) {
	onDescriptor(conn, func(fd int) { info, _ = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO) })
	return info
}

// hasUnread reports whether a TCP connection has bytes to read.
func hasUnread(conn net.Conn) (unread bool) {
	onDescriptor(conn, func(fd int) {
		n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		unread = err == nil && n > 0
	})
	return unread
}

// keepUrgentInline makes urgent bytes part of the normal stream.
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
