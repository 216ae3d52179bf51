package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// results are two rows, one of another service.
var results = []row{
	{workload{"1 GiB up", "minio", false, "put", 1, 1, 1 << 30}, []measurement{
		{Name: "direct", Seconds: []float64{1, 2, 4}, CPU: []float64{0, 0, 0}}, {Name: "s3ftpd", Seconds: []float64{2, 4, 4}, CPU: []float64{.5, .7, .6}, PeakMiB: 50}}},
	{workload{"4 KiB up", "far", false, "put", 1, 100, 4096}, []measurement{
		{Name: "direct", Seconds: []float64{1}, CPU: []float64{0}}, {Name: "s3ftpd", Seconds: []float64{2}, CPU: []float64{.1}, PeakMiB: 20}}},
}

func TestTable(t *testing.T) {
	want := "| | | speed | of direct | CPU | peak memory |\n|---|---|---|---|---|---|\n" +
		"| 1 GiB up | direct | 537 MB/s | 1.00 |  |  |\n|  | s3ftpd | 268 MB/s | 0.50 | 0.60 s/GiB | 50 MiB |\n"
	if got := table(results, "minio"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := table(results, "far"); !strings.Contains(got, "|  | s3ftpd | 50 a second | 0.50 | 1.00 ms a file | 20 MiB |") {
		t.Errorf("got\n%s", got)
	}
}

func TestPlotIsXML(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(plot(results, "minio")))
	bars := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 2 {
		t.Errorf("%d bars, want 2", bars)
	}
}

// The results of each service have their place in the documentation.
func TestSections(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(docs, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"null", "minio", "far"} {
		got, err := replaceSection(string(text), service, "new\n")
		if want := "<!-- bench " + service + " -->\nnew\n<!-- /bench " + service + " -->\n"; err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %v", service, err)
		}
	}
	if _, err := replaceSection(string(text), "none", ""); err == nil {
		t.Error("a missing section is not an error")
	}
}
