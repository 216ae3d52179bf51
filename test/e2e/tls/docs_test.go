package tls

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

const tlsDoc = harness.Root + "/docs/tls.md"

// tlsTable returns tlsClients in Markdown; TestTLSClients proves it.
func tlsTable() string {
	offer := map[resumption]string{resumesAlways: "resumes", resumesOnce: "works, resumes until an upload", resumesNever: "works, does not resume"}
	require := map[resumption]string{resumesAlways: "works", resumesOnce: "one upload, then 522", resumesNever: "522"}
	var b strings.Builder
	b.WriteString("| client | explicit and implicit TLS | TLS 1.3, `offer` | TLS 1.3, `require` | TLS 1.2, `offer` | TLS 1.2, `require` |\n|---|---|---|---|---|---|\n")
	for _, c := range tlsClients {
		ways := "passive, active"
		if c.passiveOnly {
			ways = "passive"
		}
		modern, old := c.resumes["1.3"], c.resumes["1.2"]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.name, ways, offer[modern], require[modern], offer[old], require[old])
	}
	return b.String()
}

// TestTLSTable: docs/tls.md has the table that TestTLSClients expects.
func TestTLSTable(t *testing.T) {
	harness.CheckGenerated(t, tlsDoc, "./test/e2e/tls -run TestTLSTable", tlsTable())
}

// ftplibScript returns the class that docs/tls.md recommends, followed by the client of these tests.
func ftplibScript(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(tlsDoc)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```python\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 1 {
		t.Fatalf("docs/tls.md has %d blocks of Python", len(blocks))
	}
	return blocks[0][1] + "\n\n" + ftplibTLS
}
