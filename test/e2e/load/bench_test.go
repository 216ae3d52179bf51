package load

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A benchmark of this package compares two ways to use one s3ftpd, or measures a feature. Package bench compares s3ftpd with direct
// use of S3 and with other servers.
type benchmark struct {
	*testing.B
	bridge *harness.Server
}

func newBenchmark(b *testing.B) benchmark {
	server := real.MinIO(b)
	harness.NewBucket(b, server)
	bridge := harness.StartServer(b, server)
	b.ResetTimer()
	return benchmark{b, bridge}
}
