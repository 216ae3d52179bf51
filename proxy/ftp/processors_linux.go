package ftp

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// processorLoad returns the number of runnable tasks per processor of this host, without the calling one; 0 if it is unknown.
func processorLoad() float64 {
	text, err := os.ReadFile("/proc/loadavg") // e.g. 0.20 0.18 0.12 3/80 11206: 3 are runnable
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 4 {
		return 0
	}
	running, _, _ := bytes.Cut(fields[3], []byte("/"))
	n, _ := strconv.Atoi(string(running))
	return float64(max(n-1, 0)) / float64(processors())
}

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
