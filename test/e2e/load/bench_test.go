package load

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// The benchmarks move the same bytes over FTP and, in the same run, directly to the same MinIO:
//
//	TMPDIR=/dev/shm go test -run '^$' -bench . -benchtime 3x ./test/e2e/load
//
// The ratio is the figure to compare; the CPU-seconds and the memory are those of the s3ftpd process alone.

type benchmark struct {
	*testing.B
	bridge *harness.Server
	bucket harness.Bucket
}

func newBenchmark(b *testing.B) benchmark { return benchmarkOf(b, real.MinIO(b)) }

// farBenchmark runs both ways against an S3 that is 20 ms away, with 60 MB/s per connection.
func farBenchmark(b *testing.B) benchmark { return benchmarkOf(b, harness.Far(b, real.MinIO(b))) }

func benchmarkOf(b *testing.B, server *real.S3, args ...string) benchmark {
	view := harness.NewBucket(b, server)
	bridge := harness.StartServer(b, server, args...)
	b.ResetTimer()
	return benchmark{b, bridge, view}
}

// A meter sums the time of the two ways, and the CPU time of s3ftpd.
type meter struct {
	direct, bridge time.Duration
	cpu            float64
}

// compare runs the same work directly and over s3ftpd, in turn.
func (b benchmark) compare(direct, bridge func()) (m meter) {
	b.forgetPeak()
	for b.Loop() {
		begin := time.Now()
		direct()
		m.direct += time.Since(begin)
		cpu := b.bridge.CPU(b)
		begin = time.Now()
		bridge()
		m.bridge += time.Since(begin)
		m.cpu += b.bridge.CPU(b) - cpu
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(m.direct.Seconds()/m.bridge.Seconds(), "of-direct")
	b.ReportMetric(b.bridge.Peak(b), "MiB-RSS")
	return m
}

// bytes reports throughput for a benchmark that moves n bytes a turn.
func (b benchmark) bytes(m meter, n int64) {
	total := float64(n) * float64(b.N)
	b.ReportMetric(total/1e6/m.direct.Seconds(), "direct-MB/s")
	b.ReportMetric(total/1e6/m.bridge.Seconds(), "MB/s")
	b.ReportMetric(m.cpu/(total/float64(harness.GiB)), "CPU-s/GiB")
}

// uploads sends 1 GiB a turn.
func (b benchmark) uploads() {
	w := b.bridge.Connect(b)
	b.bytes(b.compare(
		func() { b.bucket.Upload("direct", harness.GiB) },
		func() { w.Store("bridge", harness.Stream(harness.GiB)) }), harness.GiB)
}

// downloads fetches 1 GiB a turn.
func (b benchmark) downloads() {
	w := b.bridge.Connect(b)
	b.bucket.Upload("file", harness.GiB)
	b.bytes(b.compare(
		func() { b.bucket.Download("file") },
		func() { w.Retrieve("file") }), harness.GiB)
}

func BenchmarkUpload1GiB(b *testing.B)      { newBenchmark(b).uploads() }
func BenchmarkDownload1GiB(b *testing.B)    { newBenchmark(b).downloads() }
func BenchmarkFarUpload1GiB(b *testing.B)   { farBenchmark(b).uploads() }
func BenchmarkFarDownload1GiB(b *testing.B) { farBenchmark(b).downloads() }

func BenchmarkUpload16x64MiB(b *testing.B) {
	x := newBenchmark(b)
	each := func(f func(name string)) func() {
		return func() {
			var all sync.WaitGroup
			for i := range 16 {
				all.Go(func() { f(fmt.Sprint(i)) })
			}
			all.Wait()
		}
	}
	x.bytes(x.compare(
		each(func(name string) { x.bucket.Upload("direct"+name, 64*harness.MiB) }),
		each(func(name string) { x.bridge.Connect(b).Store("bridge"+name, harness.Stream(64*harness.MiB)) })), harness.GiB)
}

func BenchmarkUpload1000x4KiB(b *testing.B) {
	x := newBenchmark(b)
	w := x.bridge.Connect(b)
	content := string(harness.Block()[:4*harness.KiB])
	times := func(f func(name string)) func() {
		return func() {
			for i := range 1000 {
				f(fmt.Sprintf("small/%d", i))
			}
		}
	}
	m := x.compare(
		times(func(name string) { x.bucket.Put(name, content) }),
		times(func(name string) { w.Store(name, strings.NewReader(content)) }))
	files := 1000 * float64(b.N)
	b.ReportMetric(files/m.direct.Seconds(), "direct-files/s")
	b.ReportMetric(files/m.bridge.Seconds(), "files/s")
	b.ReportMetric(m.cpu*1000/files, "CPU-ms/file")
}

func BenchmarkList10000(b *testing.B) {
	x := newBenchmark(b)
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := g; i < 10000; i += 16 {
				x.bucket.Put(fmt.Sprintf("many/file-%05d", i), "x")
			}
		})
	}
	all.Wait()
	w := x.bridge.Connect(b)
	var first time.Duration
	m := x.compare(
		func() {
			if n := len(x.bucket.Keys("many/")); n != 10000 {
				b.Fatalf("%d keys", n)
			}
		},
		func() {
			begin := time.Now()
			data := w.Open("LIST many")
			one := make([]byte, 1)
			io.ReadFull(data, one)
			first += time.Since(begin)
			rest, err := io.ReadAll(data)
			if n := bytes.Count(rest, []byte("\n")); err != nil || n != 10000 {
				b.Fatalf("%d lines, %v", n, err)
			}
			w.Expect(226)
		})
	b.ReportMetric(float64(m.direct.Milliseconds())/float64(b.N), "direct-ms")
	b.ReportMetric(float64(m.bridge.Milliseconds())/float64(b.N), "ms")
	b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "first-byte-ms")
}

// forgetPeak resets the peak.
func (b benchmark) forgetPeak() {
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", b.bridge.Cmd.Process.Pid), []byte("5"), 0)
}
