package s3fs

import (
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// endless is a content that needs no CPU to generate.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// BenchmarkPut and BenchmarkOpen also report the CPU seconds of this process per GiB.
func BenchmarkPut(b *testing.B) {
	const size = 1 << 30
	f := NewFS(minio(b, "bench"), Options{Bucket: "bench"})
	perGiB(b, size, func() error {
		return errOf(f.Put(b.Context(), "/f", storetest.Source(io.LimitReader(endless{}, size)), proxy.Write{}))
	})
}

func BenchmarkOpen(b *testing.B) {
	const size = 1 << 30
	f := NewFS(minio(b, "bench"), Options{Bucket: "bench"})
	if _, err := f.Put(b.Context(), "/f", storetest.Source(io.LimitReader(endless{}, size)), proxy.Write{}); err != nil {
		b.Fatal(err)
	}
	perGiB(b, size, func() error { return readAll(b, f, size) })
}

// BenchmarkSmall uploads files of 4 KiB, one after the other.
func BenchmarkSmall(b *testing.B) {
	f := NewFS(minio(b, "bench"), Options{Bucket: "bench"})
	perGiB(b, 4<<10, func() error {
		return errOf(f.Put(b.Context(), "/f", storetest.Source(io.LimitReader(endless{}, 4<<10)), proxy.Write{}))
	})
}

// BenchmarkList lists 10,000 files that have different times, with LastModified and with the time in the metadata.
func BenchmarkList(b *testing.B) {
	c := minio(b, "bench")
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 625 {
				if _, err := c.api.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String("bench"),
					Key: aws.String(fmt.Sprintf("dir/file %d of %d.txt", j, i)), Metadata: map[string]string{"mtime": fmt.Sprint(j)}}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, kind := range []string{"s3", auto} {
		b.Run(kind, func(b *testing.B) { listAll(b, NewFS(c, Options{Bucket: "bench", ListMtime: kind})) })
	}
}

func listAll(b *testing.B, f *FS) {
	before := cpu()
	for b.Loop() {
		n := 0
		for _, err := range f.List(b.Context(), "/dir", "") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10_000 {
			b.Fatalf("%d entries", n)
		}
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N)/10_000, "cpu-us/entry")
}

func perGiB(b *testing.B, size int64, do func() error) {
	b.SetBytes(size)
	before := cpu()
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpu()-before).Seconds()/float64(b.N)/float64(size)*(1<<30), "cpu-s/GiB")
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
