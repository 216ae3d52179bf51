package harness

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A Process is the ID of a running program, whose CPU time and memory are measured. Its methods skip the test where there is no
// /proc.
type Process int

// CPU returns the CPU time so far, in seconds; proc(5) counts it in hundredths.
func (p Process) CPU(t testing.TB) float64 {
	t.Helper()
	return ticks(p.read(t, "stat"), 2)
}

// TreeCPU returns the CPU time of the process, its children and theirs, as far as they live or have been waited for, in seconds.
func (p Process) TreeCPU(t testing.TB) float64 {
	t.Helper()
	sum := ticks(p.read(t, "stat"), 4)
	for _, child := range strings.Fields(string(p.read(t, fmt.Sprintf("task/%d/children", p)))) {
		id, _ := strconv.Atoi(child)
		sum += Process(id).TreeCPU(t)
	}
	return sum
}

// ticks returns the sum of the first n of user, system, children's user and children's system time in /proc/PID/stat, in seconds.
func ticks(stat []byte, n int) float64 {
	sum := 0
	for _, field := range strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))[11 : 11+n] {
		value, _ := strconv.Atoi(field)
		sum += value
	}
	return float64(sum) / 100
}

// Peak returns the largest resident size so far, in MiB.
func (p Process) Peak(t testing.TB) float64 {
	t.Helper()
	return float64(p.Status(t, "VmHWM")) / 1024
}

// Status returns a figure of /proc/PID/status, such as RssAnon; sizes are in KiB.
func (p Process) Status(t testing.TB, name string) (n int) {
	t.Helper()
	_, rest, found := strings.Cut(string(p.read(t, "status")), "\n"+name+":")
	if _, err := fmt.Sscan(rest, &n); !found || err != nil {
		t.Fatalf("/proc has no %s: %v", name, err)
	}
	return n
}

func (p Process) read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p, name))
	if err != nil {
		t.Skip(err)
	}
	return text
}
