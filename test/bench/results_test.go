package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// sample are rows of all forms: of two services, with a peer that fails, with a memory limit, and of a listing.
var sample = []row{
	{put("minio", "1 GiB up", 1, 1, harness.GiB), []measurement{
		{Name: "direct", Seconds: []float64{1, 2, 4}},
		{Name: "s3ftpd", Seconds: []float64{2, 4, 4}, CPU: []float64{.5, .7, .6}, PeakMiB: 50},
		{Name: "vsftpd", Seconds: []float64{1, 2, 4}, CPU: []float64{.2, .2, .2}},
		{Name: "MinIO --ftp", Failure: oneLine(errors.New("550 no | such\nfile"))}}},
	{put("far", "4 KiB up", 1, 100, 4096), []measurement{
		{Name: "direct", Seconds: []float64{1}},
		{Name: "s3ftpd", Seconds: []float64{2}, CPU: []float64{.1}, PeakMiB: 20}}},
	{put("null", "16 files", 16, 16, 64*harness.MiB).limited(64), []measurement{
		{Name: "direct", Seconds: []float64{1}},
		{Name: "s3ftpd", Seconds: []float64{2}, CPU: []float64{1}, PeakMiB: 80}}},
	{list("null", "LIST", "LIST", 10_000), []measurement{
		{Name: "direct", Seconds: []float64{.1}, First: []float64{.01}},
		{Name: "s3ftpd", Seconds: []float64{.2}, CPU: []float64{.05}, First: []float64{.015}, PeakMiB: 20}}},
}

func TestTables(t *testing.T) {
	want := transferHeader + "| 1 GiB up | direct | 537 MB/s | 1.00 |  |  |\n|  | s3ftpd | 268 MB/s | 0.50 | 0.60 s/GiB | 50 MiB |\n" +
		"|  | vsftpd | 537 MB/s | 1.00 | 0.20 s/GiB |  |\n|  | MinIO --ftp | fails: 550 no / such file |  |  |  |\n"
	if got := tables(sample, "minio"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := tables(sample, "far"); !strings.Contains(got, "|  | s3ftpd | 50 a second | 0.50 | 1.00 ms a file | 20 MiB |") {
		t.Errorf("got\n%s", got)
	}
	want = transferHeader + "| 16 files | direct | 1074 MB/s | 1.00 |  |  |\n|  | s3ftpd | 537 MB/s | 0.50 | 1.00 s/GiB | 80 of 96 MiB |\n\n" +
		listHeader + "| LIST | direct | 100 ms | 1.00 | 10.0 ms | 1.00 |  |  |\n|  | s3ftpd | 200 ms | 0.50 | 15.0 ms | 1.50 | 50 ms | 20 MiB |\n"
	if got := tables(sample, "null"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFigureTable(t *testing.T) {
	got := figureTable([]figure{{"idle session", "s3ftpd", "KiB", []float64{15, 17, 16}, ""}, {"idle session", "rclone", "KiB", nil, "refused"},
		{"memory", "s3ftpd", "MiB", []float64{20, 21}, ""}})
	want := figureHeader + "| idle session | s3ftpd | 16.0 KiB |\n|  | rclone | fails: refused |\n| memory | s3ftpd | 20.5 MiB |\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The plot is XML, with a bar for each subject that did not fail. Its length is the ratio to direct use, four times at most.
func TestPlot(t *testing.T) {
	fast := slices.Clone(sample)
	fast[0].Subjects = append(slices.Clone(fast[0].Subjects), measurement{Name: "fast", Seconds: []float64{.1, .2, .4}})
	text := plot(fast, "minio")
	d := xml.NewDecoder(strings.NewReader(text))
	var bars []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			for _, a := range e.Attr {
				if a.Name.Local == "width" {
					bars = append(bars, a.Value)
				}
			}
		}
	}
	if want := []string{"105", "52", "105", "420"}; !slices.Equal(bars, want) || strings.Count(text, ">fails<") != 1 {
		t.Errorf("bars of lengths %q, want %q, and one subject that fails:\n%s", bars, want, text)
	}
}

// A run replaces its own results in the documentation and keeps those of others.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(docs, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(dir, "performance.md")
	if err := os.WriteFile(page, text, 0o666); err != nil {
		t.Fatal(err)
	}
	far, minio := sample[1], sample[0]
	far.Workload = workloads[len(workloads)-1]
	again := minio
	again.Subjects = again.Subjects[:2]
	for _, change := range []func(*results){
		func(r *results) { r.addRows([]row{far}) },
		func(r *results) { r.addRows([]row{minio}) },
		func(r *results) {
			r.addFigures([]figure{{"a", "s3ftpd", "KiB", []float64{15}, ""}, {"b", "s3ftpd", "KiB", []float64{16}, ""}})
		},
		func(r *results) { r.addRows([]row{again}) },
		func(r *results) { r.addFigures([]figure{{"a", "s3ftpd", "KiB", []float64{17}, ""}}) },
	} {
		if err := saveTo(dir, change); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	section := func(name, content string) string {
		return "<!-- bench " + name + " -->\n" + content + "<!-- /bench " + name + " -->"
	}
	for _, want := range []string{
		section("far", tables([]row{far}, "far")+"\n![Speed relative to direct use, far](performance-far.svg)\n"),
		section("minio", tables([]row{again}, "minio")+"\n![Speed relative to direct use, minio](performance-minio.svg)\n"),
		section("memory", figureHeader+"| b | s3ftpd | 16.0 KiB |\n| a | s3ftpd | 17.0 KiB |\n"),
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the page lacks\n%s", want)
		}
	}
	for _, name := range []string{"performance-far.svg", "performance-minio.svg", "performance.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// A page without a section for results is an error.
func TestSections(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(docs, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{"memory"}, serviceNames...) {
		got, err := replaceSection(string(text), name, "new\n")
		if want := "<!-- bench " + name + " -->\nnew\n<!-- /bench " + name + " -->\n"; err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := replaceSection(string(text), "none", ""); err == nil {
		t.Error("a missing section is not an error")
	}
}
