package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// rows returns the cells of a table in a page of docs/, without its header. Comments with the table's name surround it.
func rows(t *testing.T, page, name string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- "+name+" -->\n")
	table, _, closed := strings.Cut(rest, "\n<!-- /"+name+" -->")
	lines := strings.Split(table, "\n")
	if !found || !closed || len(lines) < 3 {
		t.Fatalf("docs/%s has no table between <!-- %s --> and <!-- /%[2]s -->", page, name)
	}
	for _, line := range lines[2:] {
		rows = append(rows, strings.Split(strings.Trim(line, "| "), " | "))
	}
	return rows
}

var cost = regexp.MustCompile(`^([0-9]+) ([A-Za-z0-9]+)(?: per (.+))?$`)

// costs parses the second column of the table: the number of requests by operation.
func costs(t *testing.T, text string, per map[string]int) map[string]int {
	t.Helper()
	want := make(map[string]int)
	for item := range strings.SplitSeq(text, ", ") {
		if text == "none" {
			break
		}
		m := cost.FindStringSubmatch(item)
		if m == nil || m[3] != "" && per[m[3]] == 0 {
			t.Fatalf("what is %q?", item)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if m[3] != "" {
			n *= per[m[3]]
		}
		want[m[2]] += n
	}
	return want
}

var verbs = regexp.MustCompile("`([A-Z]+)`")

// Every row of docs/requests.md has the requests that its commands cost, and every command has a row.
func TestRequests(t *testing.T) {
	client, m := metered(t)
	seen, text := make(map[string]bool), ""
	for i, row := range rows(t, "requests.md", "requests") {
		seen[row[0]] = true
		text += row[0]
		t.Run(row[0], func(t *testing.T) {
			check, resume := rowChecks[row[0]], time.Duration(0)
			if check.elsewhere != "" {
				if text, err := os.ReadFile(root + "/" + check.elsewhere); err != nil || !strings.Contains(string(text), row[0]) {
					t.Errorf("%s, which is to check this row, has no word of it, or %v", check.elsewhere, err)
				}
				return
			}
			if check.spent {
				resume = -1
			}
			client := m.dial(t, check.checksum) // a client for this row: closing it waits for its clean-ups
			store := s3fs.NewFS(client, s3fs.Options{Bucket: "files", Prefix: fmt.Sprint("row ", i), PartSize: partSize, ListMtime: check.times, Resume: resume,
				Provenance: true})
			over := proxy.Store(store)
			if check.quota {
				over = setQuota(t, store).Limit(store, nil, "/")
			}
			checkRow(t, callOver(t, store, over, m, check.options...), check, row)
		})
	}
	for name := range rowChecks {
		if !seen[name] {
			t.Errorf("docs/requests.md has no row %s", name)
		}
	}
	help := expect(t, call(t, s3fs.NewFS(client, s3fs.Options{Bucket: "files"}), m).Conn, "HELP", 214)
	for line := range strings.Lines(help) {
		for _, verb := range strings.Fields(line) {
			if strings.HasPrefix(line, " ") && !strings.Contains(text, "`"+verb+"`") {
				t.Errorf("docs/requests.md has no row for %s", verb)
			}
		}
	}
}

// setQuota returns a quota for a store, which is counted.
func setQuota(t *testing.T, store *s3fs.FS) *grant.Quota {
	t.Helper()
	q := &grant.Quota{Usages: grant.NewUsages(t.Context())}
	t.Cleanup(q.Usages.Close)
	q.Set(1<<40, 0, grant.Place{Dir: "/", Usage: func(ctx context.Context) (int64, int64, error) { return store.Usage(ctx, "/") }})
	if err := q.Space(t.Context(), new(proxy.Space)); err != nil {
		t.Error(err)
	}
	return q
}

func checkRow(t *testing.T, c *caller, check rowCheck, row []string) {
	for i := range check.many {
		check.there = append(check.there, fmt.Sprintf("many/f%04d", i))
	}
	for _, name := range check.there {
		var err error
		if strings.HasSuffix(name, "/") {
			_, err = c.store.Mkdir(t.Context(), name)
		} else {
			_, err = c.store.Put(t.Context(), name, storetest.Source(strings.NewReader("line\n")), proxy.Write{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, do := range check.first {
		do(t, c)
	}
	if len(check.first) > 0 {
		for _, name := range check.there {
			c.store.Stat(t.Context(), name) // Stat waits for the clean-up after DELE and RNTO
		}
	}
	c.meter.take()
	for i, do := range check.each {
		begun := time.Now()
		do(t, c)
		want := costs(t, row[1], check.per)
		for name, n := range want {
			c.meter.await(t, name, n) // S3 requests to list and abort uploads follow the reply
		}
		got := c.meter.take()
		if time.Since(begun) > time.Second && got["CompleteMultipartUpload"] > 0 {
			got["HeadObject"], want["HeadObject"] = 0, 0 // an upload of more than a second is verified
		}
		if !maps.Equal(got, want) {
			t.Errorf("step %d: got %v, want %v", i+1, got, want)
		}
	}
	if len(check.each) == 0 {
		t.Error("the row has no check")
	}
	for _, verb := range verbs.FindAllStringSubmatch(row[0], -1) {
		if !c.said[verb[1]] {
			t.Errorf("%s was not said", verb[1])
		}
	}
}

// docs/permissions.md lists exactly the operations that docs/requests.md counts.
func TestRequestsPermitted(t *testing.T) {
	asked, permitted := make(map[string]bool), make(map[string]bool)
	for _, row := range rows(t, "requests.md", "requests") {
		for _, m := range regexp.MustCompile(`(?:^|, )[0-9] ([A-Z][A-Za-z0-9]+)`).FindAllStringSubmatch(row[1], -1) {
			asked[m[1]] = true
		}
	}
	for _, row := range rows(t, "permissions.md", "permissions") {
		for name := range strings.SplitSeq(row[2], ", ") {
			permitted[name] = true
		}
	}
	if !maps.Equal(asked, permitted) {
		t.Errorf("asked for: %v\npermitted: %v", asked, permitted)
	}
}
