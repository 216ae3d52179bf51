package ftp

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// processorLoad returns the number of runnable tasks per processor of this host, without the calling one; 0 if it is unknown.
func processorLoad() float64 { return float64(max(runnableTasks()-1, 0)) / float64(processors()) }

// allRun reports whether each runnable task of this host, with the calling one, has a processor, as far as is known.
func allRun() bool { return runnableTasks() <= processors() }

// runnableTasks returns the number of runnable tasks of this host, with the calling one; 0 if it is unknown.
func runnableTasks() int {
	var text [64]byte // e.g. 0.20 0.18 0.12 3/80 11206: 3 are runnable
	n, err := unix.Pread(loadavg(), text[:], 0)
	if err != nil {
		return 0
	}
	return runnable(text[:n])
}

// runnable returns the number of runnable tasks in the text of /proc/loadavg; 0 if it is invalid.
func runnable(text []byte) (n int) {
	slash := max(bytes.IndexByte(text, '/'), 0)
	for _, digit := range text[bytes.LastIndexByte(text[:slash], ' ')+1 : slash] {
		n = n*10 + int(digit-'0')
	}
	return n
}

// loadavg returns a descriptor of /proc/loadavg, which stays open, as it is read for each upload; -1 if it cannot be opened.
var loadavg = sync.OnceValue(func() int {
	fd, err := unix.Open("/proc/loadavg", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
})

// processors returns the number of processors of the host, which may be more than this process may use.
var processors = sync.OnceValue(func() int {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if n := countList(strings.TrimSpace(string(text))); err == nil && n > 0 {
		return n
	}
	return runtime.NumCPU()
})

// countList returns how many numbers a list such as 0-3,8 has; 0 if it is invalid.
func countList(list string) (count int) {
	for item := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil || to < from {
			return 0
		}
		count += to - from + 1
	}
	return count
}
