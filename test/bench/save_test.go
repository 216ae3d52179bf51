package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// results are the content of docs/performance.json. A benchmark replaces what it has measured.
type results struct {
	Versions map[string]string // of what took part, and of the machine
	Rows     []row
	Figures  []figure
}

// addRows adds the rows of a run, in the order of workloads. Rows that the run did not measure stay, unless their workload is gone.
func (r *results) addRows(rows []row) {
	var all []row
	for _, w := range workloads {
		same := func(r row) bool { return r.Workload.Service == w.Service && r.Workload.Name == w.Name }
		if i := slices.IndexFunc(rows, same); i >= 0 {
			all = append(all, rows[i])
		} else if i := slices.IndexFunc(r.Rows, same); i >= 0 {
			all = append(all, r.Rows[i])
		}
	}
	r.Rows = all
}

// addFigures replaces the figures that have a name of one of these, and adds others at the end.
func (r *results) addFigures(figures []figure) {
	r.Figures = append(slices.DeleteFunc(r.Figures, func(old figure) bool {
		return slices.ContainsFunc(figures, func(f figure) bool { return f.Name == old.Name })
	}), figures...)
}

// docs is the directory of the documentation.
var docs = filepath.Join("..", "..", "docs")

// save changes the results in docs, if -write is given and the benchmark did not fail.
func save(b *testing.B, change func(*results)) {
	if !*write || b.Failed() {
		return
	}
	if *small {
		b.Fatal("-write is not for -small: its figures mean nothing")
	}
	if err := saveTo(docs, change); err != nil {
		b.Error(err)
	}
}

// saveTo changes performance.json in a directory, and the tables and plots made from it.
func saveTo(dir string, change func(*results)) error {
	var all results
	name := filepath.Join(dir, "performance.json")
	if data, err := os.ReadFile(name); err == nil {
		if err := json.Unmarshal(data, &all); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	change(&all)
	all.Versions = map[string]string{"Go": runtime.Version(), "processors": fmt.Sprint(runtime.NumCPU()), "MinIO": real.MinIOVersion,
		"rclone": real.RcloneVersion}
	data, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	page := filepath.Join(dir, "performance.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	files := map[string]string{name: string(data) + "\n", page: string(text)}
	for _, service := range serviceNames {
		content := tables(all.Rows, service)
		if content != "" {
			plotted := "performance-" + service + ".svg"
			files[filepath.Join(dir, plotted)] = plot(all.Rows, service)
			content += fmt.Sprintf("\n![Speed relative to direct use, %s](%s)\n", service, plotted)
		}
		if files[page], err = replaceSection(files[page], service, content); err != nil {
			return err
		}
	}
	if files[page], err = replaceSection(files[page], "memory", figureTable(all.Figures)); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// serviceNames are the sections of docs/performance.md with the rows of a service.
var serviceNames = []string{"null", "minio", "far"}

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
