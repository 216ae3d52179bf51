package main

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unanswered limits how long data that was sent may stay unacknowledged.
const unanswered = time.Minute

// setUserTimeout sets TCP_USER_TIMEOUT (RFC 5482) on a listening socket; accepted connections inherit it. It closes connections
// to clients that vanish in the middle of a reply: while data is unacknowledged, the kernel sends no keep-alive probes.
func setUserTimeout(_, _ string, socket syscall.RawConn) error {
	var err error
	if cerr := socket.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unanswered.Milliseconds()))
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("setsockopt", err)
}
