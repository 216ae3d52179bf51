package s3demo_test

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// zeros is a seekable file of zeros that records the largest heap while it is read.
type zeros struct {
	size, at int64
	heap     *heap
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.at == z.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.size-z.at)
	clear(p[:n])
	z.at += n
	z.heap.note(n)
	return int(n), nil
}

func (z *zeros) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += z.at
	case io.SeekEnd:
		offset += z.size
	}
	z.at = offset
	return offset, nil
}

// heap measures the heap after every 8 MiB.
type heap struct {
	before, most uint64
	passed       int64
}

func newHeap() *heap {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return &heap{before: m.HeapAlloc}
}

func (h *heap) note(n int64) {
	if h.passed += n; h.passed < 8*mib {
		return
	}
	h.passed = 0
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.most = max(h.most, m.HeapAlloc)
}

func (h *heap) Write(p []byte) (int, error) {
	h.note(int64(len(p)))
	return len(p), nil
}

func (h *heap) check(t *testing.T, what string) {
	t.Helper()
	if h.most == 0 {
		t.Fatalf("%s: nothing has passed", what)
	}
	if grown := int64(h.most - h.before); h.most > h.before && grown > 32*mib {
		t.Errorf("%s: the heap has grown by %d MiB", what, grown/mib)
	}
}

func TestLargeObjectsNeedNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 256 MiB twice")
	}
	const size = 256 * mib
	o := start(t)
	h := newHeap()
	if _, err := o.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String("k"), Body: &zeros{size: size, heap: h}}, unsigned); err != nil {
		t.Fatal(err)
	}
	h.check(t, "one PUT")

	h, id := newHeap(), o.begin("m", func(in *s3.CreateMultipartUploadInput) { in.ChecksumAlgorithm, in.ChecksumType = "", "" })
	var parts []types.CompletedPart
	for i := range int32(2) {
		out, err := o.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: aws.String(bucketName), Key: aws.String("m"), UploadId: &id, PartNumber: aws.Int32(i + 1), Body: &zeros{size: size / 2, heap: h},
		}, unsigned)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(i + 1), ETag: out.ETag})
	}
	if _, err := o.complete("m", id, parts); err != nil {
		t.Fatal(err)
	}
	h.check(t, "parts")

	h = newHeap()
	for _, key := range []string{"k", "m"} {
		out, err := o.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(h, out.Body)
		if out.Body.Close(); n != size || err != nil {
			t.Errorf("GetObject: %d bytes, %v", n, err)
		}
	}
	h.check(t, "GET")
}

func TestManyKeys(t *testing.T) {
	o := start(t)
	var want []string
	for i := range 1100 {
		key := fmt.Sprintf("d%02d/%05d", i%25, i)
		if i%2 == 0 {
			key = fmt.Sprintf("f%05d", i)
		}
		want = append(want, key)
		o.put(key, []byte(key))
	}
	slices.Sort(want)
	o = o.restart()
	for _, size := range []int32{1000, 77} {
		if got := o.keys("", size); !slices.Equal(got, want) {
			t.Errorf("%d keys in pages of %d, want %d", len(got), size, len(want))
		}
	}
	for _, size := range []int32{1000, 10, 2} {
		var got []string
		in := &s3.ListObjectsV2Input{Bucket: aws.String(bucketName), Delimiter: aws.String("/"), MaxKeys: &size, StartAfter: aws.String("d03/")}
		for pages := s3.NewListObjectsV2Paginator(o.Client, in); pages.HasMorePages(); {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Contents) + len(page.CommonPrefixes); n > int(size) || n != int(*page.KeyCount) {
				t.Errorf("%d entries in a page of %d that says %d", n, size, *page.KeyCount)
			}
			for _, p := range page.CommonPrefixes {
				got = append(got, *p.Prefix)
			}
			for _, c := range page.Contents {
				got = append(got, *c.Key)
			}
		}
		if len(got) != 550+21 || !slices.IsSorted(got) || got[0] != "d04/" || len(slices.Compact(got)) != 571 {
			t.Errorf("pages of %d: %d entries, the first is %q", size, len(got), got[0])
		}
	}
	in := &s3.ListObjectsInput{Bucket: aws.String(bucketName), Delimiter: aws.String("/"), MaxKeys: aws.Int32(7)}
	seen := 0
	for more := true; more; {
		page, err := o.ListObjects(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(page.Contents) + len(page.CommonPrefixes)
		in.Marker, more = page.NextMarker, *page.IsTruncated
	}
	if seen != 550+25 {
		t.Errorf("the older listing has %d entries", seen)
	}
	if first := o.keys("f", 1000)[0]; !strings.HasPrefix(first, "f00000") {
		t.Errorf("the first below f is %q", first)
	}
}
