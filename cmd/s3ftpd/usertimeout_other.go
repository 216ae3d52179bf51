//go:build !linux

package main

import "syscall"

// giveUpUnanswered does nothing: the operating system decides how long it retransmits.
func giveUpUnanswered(_, _ string, _ syscall.RawConn) error { return nil }
