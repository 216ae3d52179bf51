package main

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unanswered is how long a client may leave what it was sent unacknowledged.
const unanswered = time.Minute

// giveUpUnanswered ends connections whose peer has vanished in the middle of a reply, when keep-alive probes are not sent
// (TCP_USER_TIMEOUT, RFC 5482). It is set on the listening socket, from which connections inherit it.
func giveUpUnanswered(_, _ string, socket syscall.RawConn) error {
	var err error
	if cerr := socket.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unanswered.Milliseconds()))
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("setsockopt", err)
}
