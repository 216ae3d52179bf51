package load

import (
	"bytes"
	"compress/zlib"
	"io"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// compressed returns a log of that many bytes as a zlib stream.
func compressed(b *testing.B, size int64) []byte {
	text := new(bytes.Buffer)
	log := harness.LogLines(8 * harness.MiB)
	if _, err := io.Copy(text, log); err != nil {
		b.Fatal(err)
	}
	log.(io.Closer).Close()
	out := new(bytes.Buffer)
	z := zlib.NewWriter(out)
	for range size / (8 * harness.MiB) {
		z.Write(text.Bytes())
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkModeZ moves the same GiB in MODE Z, up and down. Its rates are of uncompressed bytes.
func BenchmarkModeZ(b *testing.B) {
	x := newBenchmark(b)
	stream := compressed(b, harness.GiB)
	w := x.bridge.Connect(b)
	w.Cmd(200, "MODE Z")
	var up, down float64
	var wire int64
	for b.Loop() {
		begin := x.bridge.CPU(x)
		w.Store("file", bytes.NewReader(stream))
		middle := x.bridge.CPU(x)
		data := w.Open("RETR file")
		wire, _ = io.Copy(io.Discard, data)
		w.Expect(226)
		up, down = up+middle-begin, down+x.bridge.CPU(x)-middle
	}
	n := float64(b.N)
	b.ReportMetric(up/n, "up-CPU-s/GiB")
	b.ReportMetric(down/n, "down-CPU-s/GiB")
	b.ReportMetric(float64(harness.GiB)/float64(len(stream)), "up-of-wire")
	b.ReportMetric(float64(harness.GiB)/float64(wire), "down-of-wire")
	b.ReportMetric(x.bridge.Peak(b), "MiB-RSS")
}
