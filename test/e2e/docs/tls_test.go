package docs

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestTLSDoc runs the commands of docs/tls.md as they stand there, but for addresses, keys and the place of the certificate.
func TestTLSDoc(t *testing.T) {
	for _, p := range []string{"curl", "lftp", "openssl"} {
		real.Client(t, p)
	}
	for _, cache := range []string{"GOCACHE", "GOMODCACHE"} { // which are below HOME, and that is another one here
		t.Setenv(cache, goEnv(t, cache))
	}
	blocks := commandBlocks(t, harness.Root+"/docs/tls.md")
	server := real.MinIO(t)
	v := harness.NewBucket(t, server)
	v.Name = "invoices"
	v.Create()
	dir, explicit, implicit := t.TempDir(), real.FreeAddr(t), real.FreeAddr(t)
	here := strings.NewReplacer(" :2121", " "+explicit, "127.0.0.1:2121", explicit, " :2990", " "+implicit, "127.0.0.1:2990", implicit,
		"http://127.0.0.1:9000", server.Endpoint, "AWS_ACCESS_KEY_ID=minioadmin AWS_SECRET_ACCESS_KEY=minioadmin", "READ=ME",
		"cert.pem", filepath.Join(dir, "cert.pem"), "key.pem", filepath.Join(dir, "key.pem"))
	harness.Run(t, dir, "", "sh", "-ec", here.Replace(blocks["certificate"]))
	daemon(t, here.Replace(blocks["server"]), server.Env())
	list := harness.Run(t, harness.Root, "", "sh", "-ec", here.Replace(blocks["client"]))
	for _, name := range []string{"explicit.md", "implicit.md"} {
		if got, want := v.Sum(name), harness.SumFile(t, harness.Root+"/README.md"); got != want || !strings.Contains(list, name) {
			t.Errorf("%s: S3 has %s, want %s; the list says\n%s", name, got, want, list)
		}
	}
	explicit, implicit = real.FreeAddr(t), real.FreeAddr(t)
	weak := strings.NewReplacer(" :2121", " "+explicit, "127.0.0.1:2121", explicit, " :2990", " "+implicit, "http://127.0.0.1:9000", server.Endpoint,
		"--tls-cert cert.pem --tls-key key.pem", "--tls-self-signed --tls-legacy", "AWS_ACCESS_KEY_ID=minioadmin AWS_SECRET_ACCESS_KEY=minioadmin", "READ=ME")
	daemon(t, weak.Replace(blocks["server"]), server.Env())
	if list := harness.Run(t, harness.Root, "", "sh", "-ec", weak.Replace(blocks["legacy"])); !strings.Contains(list, "explicit.md") {
		t.Errorf("with TLS 1.0 the list is %q", list)
	}
	if len(blocks) != 4 {
		t.Errorf("%d blocks of commands, of which this runs 4", len(blocks))
	}
}
