package main

import (
	"math"
	"runtime/debug"
	"slices"
	"strings"
)

// beside is what the program may take beside the buffers of transfers, before the garbage collector works harder.
const beside = 32 << 20

// limitMemory has the garbage collector keep the whole program near the budget for buffers. By itself it lets garbage grow
// to the size of what is in use, which with full buffers is as much again. Whoever has set GOMEMLIMIT knows better.
func limitMemory(buffers int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(buffers + beside)
	}
}

// collectOften lets less garbage pile up than Go does by itself. The memory is in a few large buffers without pointers,
// so that to go through it costs next to nothing. GOGC says otherwise.
func collectOften(environ []string) {
	if !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		debug.SetGCPercent(25)
	}
}
