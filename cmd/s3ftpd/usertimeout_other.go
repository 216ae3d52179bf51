//go:build !linux

package main

import "syscall"

// setUserTimeout does nothing: the operating system decides how long it retransmits.
func setUserTimeout(_, _ string, _ syscall.RawConn) error { return nil }
