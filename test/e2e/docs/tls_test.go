package docs

import (
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestTLSDoc runs the commands of docs/tls.md.
func TestTLSDoc(t *testing.T) {
	for _, p := range []string{"curl", "lftp", "openssl"} {
		real.Client(t, p)
	}
	commands := readCommands(t)
	server, bucket := invoices(t)
	readme := harness.SumFile(t, harness.Root+"/README.md")
	certificates := t.TempDir()
	harness.Run(t, certificates, "", "sh", "-ec", commands.get(t, "tls certificate"))
	harness.Run(t, certificates, "", "sh", "-ec", commands.get(t, "client certificate"))

	t.Run("server", func(t *testing.T) {
		p := newPlace(t, server, certificates)
		p.serve(t, commands.get(t, "tls server"), nil)
		list := p.run(t, commands.get(t, "tls client"))
		for _, name := range []string{"explicit.md", "implicit.md"} {
			if got := bucket.Sum(name); got != readme || !strings.Contains(list, name) {
				t.Errorf("%s: S3 has %s, want %s; the list is\n%s", name, got, readme, list)
			}
		}
	})
	t.Run("client certificate", func(t *testing.T) {
		p := newPlace(t, server, certificates)
		p.serve(t, commands.get(t, "client certificate server"), nil)
		client := commands.get(t, "client certificate client")
		if out := p.run(t, client); !strings.Contains(out, "explicit.md") {
			t.Errorf("the client sees %q", out)
		}
		without := strings.Replace(client, "--cert scanner.crt --key scanner.key", "", 1)
		if out, err := harness.Try(t, harness.Root, "", "sh", "-ec", p.here.Replace(without)); err == nil {
			t.Errorf("without its certificate the client sees %q", out)
		}
	})
	t.Run("legacy", func(t *testing.T) {
		p := newPlace(t, server, certificates)
		weak := strings.Replace(commands.get(t, "tls server"), "--tls-cert cert.pem --tls-key key.pem", "--tls-self-signed --tls-legacy", 1)
		p.serve(t, weak, nil)
		if list := p.run(t, commands.get(t, "tls legacy")); !strings.Contains(list, "explicit.md") {
			t.Errorf("with TLS 1.0 the list is %q", list)
		}
	})
}
