package bench

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// BenchmarkLogins opens sessions of SFTP one after the other, with a password that s3ftpd remembers.
func BenchmarkLogins(b *testing.B) {
	w := workload{SFTP: true}
	s := startBridge(b, "s3ftpd", harness.Program(), startNull(b), w.args()...)
	login := func() {
		c, err := s.connect()
		if err != nil {
			b.Fatal(err)
		}
		c.(*sftpClient).Close()
	}
	login()
	cpu := s.cpu(b)
	n := 0
	for b.Loop() {
		login()
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "logins/s")
	b.ReportMetric(1000*(s.cpu(b)-cpu)/float64(n), "cpu-ms/login")
}
