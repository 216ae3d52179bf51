//go:build unix

package passive

import (
	"os"
	"syscall"
)

// reuseAddr lets a socket bind a port that other connections of this process use, or used recently (SO_REUSEADDR).
func reuseAddr(_, _ string, socket syscall.RawConn) error {
	var err error
	if cerr := socket.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("setsockopt", err)
}
