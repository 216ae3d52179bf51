package clients

import (
	"slices"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/e2e/scenario"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// sizes are around S3's smallest part and the program's first part.
var sizes = []int64{0, 1, 5*harness.MiB + 1, 5*harness.MiB - 1, 5 * harness.MiB, 8 * harness.MiB, 20 * harness.MiB, 100 * harness.MiB}

// TestClients runs every case with every client, checks the results in the bucket, and compares them with docs/clients.md.
func TestClients(t *testing.T) {
	t.Parallel()
	server := real.MinIO(t)
	b := harness.StartServer(t, server, "--log-level", "debug")
	s := scenario.Suite{
		Files: slices.Insert(slices.Clone(scenario.FileCases), len(scenario.FileCases)-2,
			scenario.Case{Name: "ASCII up", What: "uploads in ASCII", Data: true, Run: putText},
			scenario.Case{Name: "ASCII down", What: "downloads in ASCII", Data: true, Run: getText}),
		Names: scenario.NameCases, Extras: scenario.ExtraCases, Modes: []string{"passive", "active"}, Parallel: 3,
		Sizes: sizes, OddNames: harness.OddNames,
		Page: "clients.md", Test: "./test/e2e/clients -run TestClients",
	}
	s.Run(t, scenario.Task{Server: b, Addr: b.Addr, Bucket: harness.NewBucket(t, server), Download: "RETR", Done: "226"})
}
