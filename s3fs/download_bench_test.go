package s3fs

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// BenchmarkFar downloads 128 MiB from an S3 with a round trip of 20 ms and 60 MB/s per connection: with one stream, with parallel ranges,
// and with hardly any memory for these.
func BenchmarkFar(b *testing.B) {
	const size = 128 << 20
	server := real.MinIO(b)
	service := Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)}
	near := dial(b, service)
	makeBucket(b, near, "bench")
	if _, err := NewFS(near, Options{Bucket: "bench"}).Put(b.Context(), "/f", storetest.Source(io.LimitReader(endless{}, size)), proxy.Write{}); err != nil {
		b.Fatal(err)
	}
	service.Endpoint = "http://" + real.Slow(b, strings.TrimPrefix(server.Endpoint, "http://"), 20*time.Millisecond, 60e6)
	for _, way := range []struct {
		name   string
		memory int64
	}{{"one", 8 * mib}, {"ahead", 256 << 20}, {"ahead-in-48MiB", 48 << 20}} {
		b.Run(way.name, func(b *testing.B) {
			f := NewFS(dial(b, service), Options{Bucket: "bench", Budget: budget.New(way.memory)})
			perGiB(b, size, func() error { return readAll(b, f, size) })
		})
	}
}

func readAll(b *testing.B, f *FS, size int64) error {
	r, err := f.Open(b.Context(), "/f", proxy.Range{})
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if n != size {
		b.Errorf("%d bytes, want %d", n, size)
	}
	return err
}
