package bench

import (
	"fmt"
	"strings"
)

const (
	transferHeader = "| | | speed | of direct | CPU | peak memory |\n|---|---|---|---|---|---|\n"
	listHeader     = "| | | time | of direct | first line | of direct's first page | CPU | peak memory |\n|---|---|---|---|---|---|---|---|\n"
	figureHeader   = "| | | |\n|---|---|---|\n"
)

// tables returns the rows of a service as tables in Markdown: transfers, then listings.
func tables(rows []row, service string) string {
	var transfers, lists strings.Builder
	for _, r := range rows {
		if r.Workload.Service != service {
			continue
		}
		table := &transfers
		if r.Workload.isList() {
			table = &lists
		}
		for i, m := range r.Subjects {
			name := ""
			if i == 0 {
				name = r.Workload.Name
			}
			fmt.Fprintf(table, "| %s | %s | %s |\n", name, m.Name, strings.Join(r.cells(m), " | "))
		}
	}
	var all []string
	if transfers.Len() > 0 {
		all = append(all, transferHeader+transfers.String())
	}
	if lists.Len() > 0 {
		all = append(all, listHeader+lists.String())
	}
	return strings.Join(all, "\n")
}

// A figure is a result that is not compared with direct use.
type figure struct {
	Name    string
	Subject string
	Unit    string
	Values  []float64 // one of each round
	Failure string    `json:",omitempty"` // the error of a peer, which then has no values
}

// cell returns the median with its unit.
func (f figure) cell() string {
	if f.Failure != "" {
		return "fails: " + f.Failure
	}
	return fmt.Sprintf("%.1f %s", median(f.Values), f.Unit)
}

// figureTable returns figures as a table in Markdown. Adjacent figures of the same name share it.
func figureTable(figures []figure) string {
	if len(figures) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(figureHeader)
	last := ""
	for _, f := range figures {
		name := f.Name
		if name == last {
			name = ""
		}
		last = f.Name
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, f.Subject, f.cell())
	}
	return b.String()
}

// plot returns the ratios to direct use as a bar chart in SVG. A subject that fails has no bar.
func plot(rows []row, service string) string {
	const barHeight, left, width, most = 18, 220, 420, 4
	var bars strings.Builder
	y := 30
	for _, r := range rows {
		if r.Workload.Service != service {
			continue
		}
		fmt.Fprintf(&bars, `<text x="0" y="%d" font-weight="bold">%s</text>`+"\n", y, r.Workload.Name)
		y += barHeight
		for _, m := range r.Subjects {
			length, label := 0.0, "fails"
			if m.Failure == "" {
				ratio := r.ofDirect(m)
				length, label = min(ratio, most)*width/most, fmt.Sprintf("%.2f", ratio)
				fmt.Fprintf(&bars, `<rect x="%d" y="%d" width="%.0f" height="12" fill="#4878a8"/>`, left, y-10, length)
			}
			fmt.Fprintf(&bars, `<text x="16" y="%d">%s</text><text x="%.0f" y="%d">%s</text>`+"\n", y, m.Name, left+length+6, y, label)
			y += barHeight
		}
		y += barHeight / 2
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n"+
		`<text x="0" y="12">Speed relative to direct use of S3 (%s); longer is faster</text>`+"\n%s</svg>\n", left+width+60, y, service, bars.String())
}
