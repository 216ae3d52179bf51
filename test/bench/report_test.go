package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	CPU     []float64 // seconds of the server's process
	PeakMiB float64
}

// median returns the median of values that are not empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ofDirect returns the median of the ratios of the speed to that of direct use in the same round.
func (r row) ofDirect(m measurement) float64 {
	ratios := make([]float64, len(m.Seconds))
	for i, s := range m.Seconds {
		ratios[i] = r.Subjects[0].Seconds[i] / s
	}
	return median(ratios)
}

// speed returns the speed with its unit.
func (r row) speed(m measurement) string {
	w, s := r.Workload, median(m.Seconds)
	switch {
	case w.Kind == "list":
		return fmt.Sprintf("%.0f ms", s*1000)
	case w.Size >= harness.MiB:
		return fmt.Sprintf("%.0f MB/s", float64(w.Size)*float64(w.Files)/1e6/s)
	}
	return fmt.Sprintf("%.0f a second", float64(w.Files)/s)
}

// cpu returns the CPU time with its unit, "" without a process.
func (r row) cpu(m measurement) string {
	w, s := r.Workload, median(m.CPU)
	switch {
	case m.PeakMiB == 0:
		return ""
	case w.Kind == "list":
		return fmt.Sprintf("%.0f ms", s*1000)
	case w.Size >= harness.MiB:
		return fmt.Sprintf("%.2f s/GiB", s*float64(harness.GiB)/(float64(w.Size)*float64(w.Files)))
	}
	return fmt.Sprintf("%.2f ms a file", s*1000/float64(w.Files))
}

// report logs the row as metrics of a benchmark.
func (r row) report(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	for _, m := range r.Subjects {
		b.Logf("%-10s %14s  %.2f of direct  %12s  %.0f MiB", m.Name, r.speed(m), r.ofDirect(m), r.cpu(m), m.PeakMiB)
	}
}

// table returns the rows of a service as a table in Markdown.
func table(rows []row, service string) string {
	var b strings.Builder
	b.WriteString("| | | speed | of direct | CPU | peak memory |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		if r.Workload.Service != service {
			continue
		}
		for i, m := range r.Subjects {
			name, peak := "", ""
			if i == 0 {
				name = r.Workload.Name
			}
			if m.PeakMiB > 0 {
				peak = fmt.Sprintf("%.0f MiB", m.PeakMiB)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %.2f | %s | %s |\n", name, m.Name, r.speed(m), r.ofDirect(m), r.cpu(m), peak)
		}
	}
	return b.String()
}

// plot returns the ratios to direct use as a bar chart in SVG.
func plot(rows []row, service string) string {
	const barHeight, left, width = 18, 220, 420
	var bars strings.Builder
	y := 30
	for _, r := range rows {
		if r.Workload.Service != service {
			continue
		}
		fmt.Fprintf(&bars, `<text x="0" y="%d" font-weight="bold">%s</text>`+"\n", y, r.Workload.Name)
		y += barHeight
		for _, m := range r.Subjects {
			ratio := r.ofDirect(m)
			fmt.Fprintf(&bars, `<text x="16" y="%d">%s</text><rect x="%d" y="%d" width="%.0f" height="12" fill="#4878a8"/><text x="%.0f" y="%d">%.2f</text>`+"\n",
				y, m.Name, left, y-10, min(ratio, 4)*width/4, left+min(ratio, 4)*width/4+6, y, ratio)
			y += barHeight
		}
		y += barHeight / 2
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n"+
		`<text x="0" y="12">Speed relative to direct use of S3 (%s); longer is faster</text>`+"\n%s</svg>\n", left+width+60, y, service, bars.String())
}

// docs is the directory of the documentation.
var docs = filepath.Join("..", "..", "docs")

// writeResults writes the results to docs.
func writeResults(rows []row) error {
	data, err := json.MarshalIndent(rows, "", "\t")
	if err != nil {
		return err
	}
	page := filepath.Join(docs, "performance.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	files := map[string]string{filepath.Join(docs, "performance.json"): string(data) + "\n"}
	files[page] = string(text)
	for _, service := range []string{"null", "minio", "far"} {
		if files[page], err = replaceSection(files[page], service, table(rows, service)); err != nil {
			return err
		}
		files[filepath.Join(docs, "performance-"+service+".svg")] = plot(rows, service)
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// replaceSection replaces the text between the two comments that name a section.
func replaceSection(text, name, content string) (string, error) {
	begin, end := "<!-- bench "+name+" -->\n", "<!-- /bench "+name+" -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", errors.New("docs/performance.md has no section " + name)
	}
	return before + begin + content + end + after, nil
}
