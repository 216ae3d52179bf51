//go:build !unix

package main

import "time"

// cpuUse is not implemented on this system.
func cpuUse() (used time.Duration, waits int64, known bool) { return 0, 0, false }
