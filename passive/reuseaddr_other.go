//go:build !unix

package passive

import "syscall"

// reuseAddr does nothing where SO_REUSEADDR may let another program take over the port. There one connection at a time can
// use the source port.
func reuseAddr(_, _ string, _ syscall.RawConn) error { return nil }
