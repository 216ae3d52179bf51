//go:build !unix

package passive

import "syscall"

// Elsewhere SO_REUSEADDR may mean that programs steal each other's ports, so one connection at a time has the source port.
func shareLocalPort(_, _ string, _ syscall.RawConn) error { return nil }
