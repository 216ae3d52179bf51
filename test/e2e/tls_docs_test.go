package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

const tlsDoc = "../../docs/tls.md"

var update = flag.Bool("update", false, "write the tables of docs/tls.md and docs/clients.md anew")

// tlsTable says in Markdown what tlsClients says, and TestTLSClients proves.
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

// TestTLSTable: docs/tls.md has the table of what TestTLSClients expects.
func TestTLSTable(t *testing.T) { generated(t, tlsDoc, "TestTLSTable", tlsTable()) }

// generated compares what stands in a page between <!-- clients --> and <!-- /clients --> with what a test says, or puts it there.
func generated(t *testing.T, page, test, want string) {
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
		t.Errorf("%s says something else than this, which `go test ./test/e2e -run %s -update` writes:\n%s", page, test, want)
	}
}

// ftplibScript is the client of these tests behind the class that docs/tls.md recommends.
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

// TestTLSDoc runs the commands of docs/tls.md as they stand there, but for addresses, keys and the place of the certificate.
func TestTLSDoc(t *testing.T) {
	for _, p := range []string{"curl", "lftp", "openssl"} {
		real.Client(t, p)
	}
	for _, cache := range []string{"GOCACHE", "GOMODCACHE"} { // which are below HOME, and that is another one here
		t.Setenv(cache, goEnv(t, cache))
	}
	blocks := commandBlocks(t, tlsDoc)
	server := real.MinIO(t)
	v := newBucket(t, server)
	v.bucket = "invoices"
	v.make()
	dir, explicit, implicit := t.TempDir(), real.FreeAddr(t), real.FreeAddr(t)
	here := strings.NewReplacer(" :2121", " "+explicit, "127.0.0.1:2121", explicit, " :2990", " "+implicit, "127.0.0.1:2990", implicit,
		"http://127.0.0.1:9000", server.Endpoint, "AWS_ACCESS_KEY_ID=minioadmin AWS_SECRET_ACCESS_KEY=minioadmin", "READ=ME",
		"cert.pem", filepath.Join(dir, "cert.pem"), "key.pem", filepath.Join(dir, "key.pem"))
	run(t, dir, "", "sh", "-ec", here.Replace(blocks["certificate"]))
	daemon(t, here.Replace(blocks["server"]), server.Env())
	list := run(t, "../..", "", "sh", "-ec", here.Replace(blocks["client"]))
	for _, name := range []string{"explicit.md", "implicit.md"} {
		if got, want := v.sum(name), sumFile(t, "../../README.md"); got != want || !strings.Contains(list, name) {
			t.Errorf("%s: S3 has %s, want %s; the list says\n%s", name, got, want, list)
		}
	}
	explicit, implicit = real.FreeAddr(t), real.FreeAddr(t)
	weak := strings.NewReplacer(" :2121", " "+explicit, "127.0.0.1:2121", explicit, " :2990", " "+implicit, "http://127.0.0.1:9000", server.Endpoint,
		"--tls-cert cert.pem --tls-key key.pem", "--tls-self-signed --tls-legacy", "AWS_ACCESS_KEY_ID=minioadmin AWS_SECRET_ACCESS_KEY=minioadmin", "READ=ME")
	daemon(t, weak.Replace(blocks["server"]), server.Env())
	if list := run(t, "../..", "", "sh", "-ec", weak.Replace(blocks["legacy"])); !strings.Contains(list, "explicit.md") {
		t.Errorf("with TLS 1.0 the list is %q", list)
	}
	if len(blocks) != 4 {
		t.Errorf("%d blocks of commands, of which this runs 4", len(blocks))
	}
}
