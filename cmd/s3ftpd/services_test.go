package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/s3fs"
)

// docs/services.md lists the services that the program knows.
func TestServices(t *testing.T) {
	var want []string
	for _, k := range s3fs.KnownServices() {
		want = append(want, strings.Join([]string{k.Name, code(k.Hosts), code(k.Options()), k.Known, k.Source + ", " + k.Date}, " | "))
	}
	var got []string
	for _, row := range rows(t, "services.md", "services") {
		got = append(got, strings.Join(row, " | "))
	}
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || got[i] != want[i] {
			t.Fatalf("docs/services.md has to have these rows:\n| %s |", strings.Join(want, " |\n| "))
		}
	}
}

// code formats a list as Markdown.
func code(items []string) string {
	if len(items) == 0 {
		return "none"
	}
	items = slices.Clone(items)
	for i, item := range items {
		items[i] = "`" + item + "`"
	}
	return strings.Join(items, ", ")
}
