package harness

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/tls.md and docs/clients.md anew")

// CheckGenerated compares the part of a page between <!-- clients --> and <!-- /clients --> with the result of a test, or
// writes it there with -update. The test is named as `go test` takes it: "./test/e2e/tls -run TestTLSTable".
func CheckGenerated(t *testing.T, page, test, want string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), "<!-- clients -->\n")
	table, after, closed := strings.Cut(rest, "<!-- /clients -->")
	if !found || !closed {
		t.Fatalf("%s has no place for it: <!-- clients --> and <!-- /clients -->", page)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+"<!-- clients -->\n"+want+"<!-- /clients -->"+after), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if table != want {
		t.Errorf("%s says something else than this, which `go test %s -update` writes:\n%s", page, test, want)
	}
}
