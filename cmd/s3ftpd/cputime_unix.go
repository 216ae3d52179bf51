//go:build unix

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuUse returns the CPU time that the process has used, how often its threads have waited, and whether that is known.
func cpuUse() (used time.Duration, waits int64, known bool) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0, 0, false
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), int64(r.Nvcsw), true
}
