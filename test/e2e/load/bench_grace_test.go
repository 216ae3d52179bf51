package load

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// graces compares the default grace with --commit-grace 1ms, for files of that size over one connection each, in turn. The client
// sends at most that many bytes a second, 0 = as fast as it can.
func graces(b *testing.B, size, rate int64) {
	server := real.MinIO(b)
	harness.NewBucket(b, server)
	auto, fixed := harness.StartServer(b, server).Connect(b), harness.StartServer(b, server, "--commit-grace", "1ms").Connect(b)
	const files = 20
	var took [2]time.Duration
	for b.Loop() {
		for i := range files {
			for k, w := range []*harness.Client{auto, fixed} {
				begin := time.Now()
				storeAt(w, fmt.Sprintf("%d/%d", k, i), size, rate)
				took[k] += time.Since(begin)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.N*files)/took[0].Seconds(), "files/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "of-1ms")
}

func BenchmarkGrace256KiB(b *testing.B)       { graces(b, 256*harness.KiB, 0) }
func BenchmarkGrace8MiB(b *testing.B)         { graces(b, 8*harness.MiB, 0) }
func BenchmarkGrace1MiBAt50Mbit(b *testing.B) { graces(b, harness.MiB, 50e6/8) }

// storeAt stores a file, sent in pieces of 16 KiB at that rate.
func storeAt(w *harness.Client, name string, size, rate int64) {
	data := w.Open("STOR %s", name)
	var err error
	if rate > 0 {
		err = paced(data, harness.Stream(size), rate)
	} else {
		_, err = io.Copy(struct{ io.Writer }{data}, harness.Stream(size))
	}
	if err != nil {
		w.T.Error(err)
	}
	data.Close()
	w.Expect(226)
}

func paced(data net.Conn, r io.Reader, rate int64) error {
	begin, sent := time.Now(), int64(0)
	for {
		n, err := io.CopyN(data, r, 16*harness.KiB)
		sent += n
		<-time.After(time.Until(begin.Add(time.Duration(sent) * time.Second / time.Duration(rate))))
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
