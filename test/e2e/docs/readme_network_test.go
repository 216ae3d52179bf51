package docs

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestReadmeNetwork runs what README.md says of TLS and of networks, but for addresses, keys and where files lie.
func TestReadmeNetwork(t *testing.T) {
	for _, p := range []string{"curl", "lftp", "openssl"} {
		real.Client(t, p)
	}
	blocks, server, v := readmeStage(t)
	dir := t.TempDir()
	for _, block := range []string{"certificate", "client certificate"} {
		harness.Run(t, dir, "", "sh", "-ec", blocks[block])
	}
	// here puts a block into this place: other ports, the keys of this server, and the files in dir.
	here := func(t *testing.T) func(string) string {
		ftp, ftps := real.FreeAddr(t), real.FreeAddr(t)
		_, port, _ := net.SplitHostPort(real.FreeAddr(t))
		replace := []string{" :2121", " " + ftp, "127.0.0.1:2121", ftp, " :2990", " " + ftps, "127.0.0.1:2990", ftps, "http://127.0.0.1:9000", server.Endpoint,
			"AWS_ACCESS_KEY_ID=minioadmin AWS_SECRET_ACCESS_KEY=minioadmin", "READ=ME", " 60000 ", " " + port + " "}
		for _, name := range []string{"server.crt", "server.key", "ca.crt", "scanner.crt", "scanner.key"} {
			replace = append(replace, " "+name, " "+filepath.Join(dir, name))
		}
		return strings.NewReplacer(replace...).Replace
	}
	readmeSum := harness.SumFile(t, harness.Root+"/README.md")

	t.Run("tls", func(t *testing.T) {
		in := here(t)
		daemon(t, in(blocks["tls"]), server.Env())
		out := harness.Run(t, harness.Root, "", "sh", "-ec", in(blocks["tls client"]))
		if strings.Count(out, "README.md") != 2 || v.Sum("2026/README.md") != readmeSum {
			t.Errorf("the client sees %q", out)
		}
		clear := in("curl -sS ftp://alice:secret@127.0.0.1:2121/")
		if out, err := harness.Try(t, dir, "", "sh", "-ec", clear); err == nil {
			t.Errorf("in clear too the client sees %q", out)
		}
	})
	t.Run("client certificate", func(t *testing.T) {
		in := here(t)
		daemon(t, in(blocks["client certificate server"]), server.Env())
		if out := harness.Run(t, dir, "", "sh", "-ec", in(blocks["client certificate client"])); !strings.Contains(out, "2026") {
			t.Errorf("the client sees %q", out)
		}
		without := strings.Replace(blocks["client certificate client"], "--cert scanner.crt --key scanner.key", "", 1)
		if out, err := harness.Try(t, dir, "", "sh", "-ec", in(without)); err == nil {
			t.Errorf("without its certificate the client sees %q", out)
		}
	})
	t.Run("one port", func(t *testing.T) {
		in := here(t)
		daemon(t, in(blocks["one port"]), server.Env())
		harness.Run(t, harness.Root, "", "sh", "-ec", in(blocks["one port client"]))
		for _, i := range "12345678" {
			if got := v.Sum("at-once/" + string(i) + ".md"); got != readmeSum {
				t.Errorf("file %c is %s, want %s", i, got, readmeSum)
			}
		}
	})
	t.Run("proxy", func(t *testing.T) {
		in := here(t)
		daemon(t, in(blocks["proxy"]), server.Env())
		if out := harness.Run(t, dir, "", "sh", "-ec", in(blocks["proxy client"])); !strings.Contains(out, "2026") {
			t.Errorf("the client sees %q", out)
		}
		without := strings.Replace(blocks["proxy client"], "--haproxy-protocol", "", 1)
		if out, err := exec.Command("sh", "-ec", in(without)).CombinedOutput(); err == nil {
			t.Errorf("without a header the client sees %q", out)
		}
	})
}
