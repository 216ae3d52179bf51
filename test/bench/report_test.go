package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A row has the results of one workload.
type row struct {
	Workload workload
	Subjects []measurement // direct use first
}

// A measurement has the results of a subject, one of each round.
type measurement struct {
	Name    string
	Seconds []float64
	CPU     []float64 `json:",omitempty"` // seconds of the server's process
	First   []float64 `json:",omitempty"` // seconds to the first line of a listing, or to its first page
	PeakMiB float64   `json:",omitempty"`
	Failure string    `json:",omitempty"` // the error of a peer, which then has no figures
}

// median returns the median of values that are not empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ofDirect returns the median of the ratios of the speed to that of direct use in the same round.
func (r row) ofDirect(m measurement) float64 { return ratios(r.Subjects[0].Seconds, m.Seconds) }

// ofFirstPage returns the median of the ratios of the time to the first line to that of direct use to its first page.
func (r row) ofFirstPage(m measurement) float64 { return ratios(m.First, r.Subjects[0].First) }

// ratios returns the median of the ratios of values of the same rounds.
func ratios(above, below []float64) float64 {
	all := make([]float64, len(above))
	for i := range all {
		all[i] = above[i] / below[i]
	}
	return median(all)
}

// speed returns the speed with its unit.
func (r row) speed(m measurement) string {
	w, s := r.Workload, median(m.Seconds)
	switch {
	case w.isList():
		return fmt.Sprintf("%.0f ms", s*1000)
	case w.Size >= harness.MiB:
		return fmt.Sprintf("%.0f MB/s", float64(w.Size)*float64(w.Files)/1e6/s)
	}
	return fmt.Sprintf("%.0f a second", float64(w.Files)/s)
}

// cpu returns the CPU time with its unit, "" without a process.
func (r row) cpu(m measurement) string {
	if len(m.CPU) == 0 {
		return ""
	}
	w, s := r.Workload, median(m.CPU)
	switch {
	case w.isList():
		return fmt.Sprintf("%.0f ms", s*1000)
	case w.Size >= harness.MiB:
		return fmt.Sprintf("%.2f s/GiB", s*float64(harness.GiB)/(float64(w.Size)*float64(w.Files)))
	}
	return fmt.Sprintf("%.2f ms a file", s*1000/float64(w.Files))
}

// peak returns the peak memory, with that of --memory and the heap allowance where the workload limits it; "" without a process.
func (r row) peak(m measurement) string {
	switch {
	case m.PeakMiB == 0:
		return ""
	case r.Workload.MemoryMiB > 0:
		return fmt.Sprintf("%.0f of %d MiB", m.PeakMiB, r.Workload.MemoryMiB+overheadMiB)
	}
	return fmt.Sprintf("%.0f MiB", m.PeakMiB)
}

// overheadMiB is the heap allowance of s3ftpd on top of --memory.
const overheadMiB = 32

// report logs the row.
func (r row) report(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	for _, m := range r.Subjects {
		b.Logf("%-21s %s", m.Name, strings.Join(r.cells(m), "  "))
	}
}

// cells returns the figures of a subject, as in a table.
func (r row) cells(m measurement) []string {
	width := 4
	if r.Workload.isList() {
		width = 6
	}
	if m.Failure != "" {
		cells := make([]string, width)
		cells[0] = "fails: " + m.Failure
		return cells
	}
	cells := []string{r.speed(m), fmt.Sprintf("%.2f", r.ofDirect(m))}
	if r.Workload.isList() {
		cells = append(cells, fmt.Sprintf("%.1f ms", median(m.First)*1000), fmt.Sprintf("%.2f", r.ofFirstPage(m)))
	}
	return append(cells, r.cpu(m), r.peak(m))
}
