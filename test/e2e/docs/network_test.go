package docs

import (
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestNetworkDoc runs the commands of docs/network.md.
func TestNetworkDoc(t *testing.T) {
	real.Client(t, "curl")
	commands := readCommands(t)
	server, bucket := invoices(t)

	t.Run("one port", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.serve(t, commands.get(t, "one port"), nil)
		p.run(t, commands.get(t, "one port client"))
		want := harness.SumFile(t, harness.Root+"/README.md")
		for _, i := range "12345678" {
			if got := bucket.Sum("at-once/" + string(i) + ".md"); got != want {
				t.Errorf("file %c is %s, want %s", i, got, want)
			}
		}
	})
	t.Run("proxy", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.serve(t, commands.get(t, "proxy"), nil)
		if out := p.run(t, commands.get(t, "proxy client")); !strings.Contains(out, "at-once") {
			t.Errorf("the client sees %q", out)
		}
		without := strings.Replace(commands.get(t, "proxy client"), "--haproxy-protocol", "", 1)
		if out, err := harness.Try(t, p.dir, "", "sh", "-ec", p.here.Replace(without)); err == nil {
			t.Errorf("without a header the client sees %q", out)
		}
	})
}
