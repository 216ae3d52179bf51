//go:build unix

package main

import "syscall"

// maxOpenFiles returns the limit of open files of this process, 0 if it is unknown. Go has raised it to the hard limit.
func maxOpenFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
