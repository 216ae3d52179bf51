package load

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// BenchmarkTemporary1000x4KiB stores files under temporary names and renames them, and in turn stores them under their final names.
func BenchmarkTemporary1000x4KiB(b *testing.B) {
	x := newBenchmark(b)
	w := x.bridge.Connect(b)
	content := string(harness.Block()[:4*harness.KiB])
	var plain, temporary time.Duration
	for b.Loop() {
		begin := time.Now()
		for i := range 1000 {
			w.Store(fmt.Sprintf("plain/%d", i), strings.NewReader(content))
		}
		plain += time.Since(begin)
		begin = time.Now()
		for i := range 1000 {
			name := fmt.Sprintf("temporary/%d", i)
			w.Store(name+".tmp", strings.NewReader(content))
			w.Cmd(350, "RNFR %s.tmp", name)
			w.Cmd(250, "RNTO %s", name)
		}
		temporary += time.Since(begin)
	}
	files := 1000 * float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(files/plain.Seconds(), "plain-files/s")
	b.ReportMetric(files/temporary.Seconds(), "files/s")
	b.ReportMetric(temporary.Seconds()/plain.Seconds(), "times-plain")
}
