package ftp

import (
	"math"
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

// tcpState asks the kernel for the round-trip time of a TCP connection and whether its peer has ended it.
// The time is the least one of the last minutes: in the smoothed one are the delays, tens of milliseconds,
// with which the peer acknowledges what it has nothing to answer to.
// Of another connection nothing is known: 0 and false.
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

// tick is the longest one by which a kernel counts the time since data arrived (CONFIG_HZ is 100 to 1000).
const tick = 10 * time.Millisecond

// sinceLastData returns how long ago the last data of a TCP connection arrived, read or not, and whether the kernel knows. The time
// is at most a tick too long, and never too short.
func sinceLastData(conn net.Conn) (age time.Duration, known bool) {
	info := tcpInfo(conn)
	if info == nil {
		return 0, false
	}
	return time.Duration(info.Last_data_recv)*time.Millisecond + tick, true
}

// tcpInfo returns what the kernel tells of a TCP connection, nil of another one.
func tcpInfo(conn net.Conn) (info *unix.TCPInfo) {
	onDescriptor(conn, func(fd int) { info, _ = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO) })
	return info
}

// hasUnread reports whether bytes have arrived on a TCP connection that were not read yet.
func hasUnread(conn net.Conn) (unread bool) {
	onDescriptor(conn, func(fd int) {
		n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		unread = err == nil && n > 0
	})
	return unread
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
