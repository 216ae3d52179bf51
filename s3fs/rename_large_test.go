package s3fs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// A directory with the maximal number of objects can be renamed.
func TestRenameManyKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 10,000 objects twice")
	}
	f := NewFS(minio(t, "files"), Options{Bucket: "files"})
	want := make(map[string]string) // ETags
	var names []string
	for i := range 10_000 {
		name := fmt.Sprintf("%02d/%d.txt", i%97, i)
		names = append(names, name)
		want[name] = fmt.Sprintf("%x", md5.Sum([]byte(name)))
	}
	if err := forEach(t.Context(), names, func(ctx context.Context, name string) error {
		return errOf(f.Put(ctx, "/old/"+name, storetest.Source(strings.NewReader(name)), proxy.Write{}))
	}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := f.Rename(t.Context(), "/old", "/new/name", true); err != nil {
		t.Fatal(err)
	}
	t.Logf("renamed in %v", time.Since(began))
	for page, err := range f.pages(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.objects {
			name, moved := strings.CutPrefix(o.key, "new/name/")
			if !moved || want[name] != o.etag {
				t.Errorf("%s with ETag %s is left, or made", o.key, o.etag)
			}
			delete(want, name)
		}
	}
	if len(want) > 0 {
		t.Errorf("%d are missing", len(want))
	}
}

const (
	block = 512 << 20 // bytes, of which a large object is made
	chunk = 64 << 10  // bytes compared at a time, and in the last part
)

// numbered is a content in which each eight bytes contain their offset in the block.
type numbered struct{ offset uint64 }

func (n *numbered) Read(p []byte) (int, error) {
	p = p[:len(p)/8*8]
	for i := 0; i < len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], n.offset%block*0x9E3779B97F4A7C15)
		n.offset += 8
	}
	return len(p), nil
}

// sixGiB stores an object of a little more than 6 GiB. It sends one block, and S3 copies the rest from that.
func sixGiB(t *testing.T, f *FS, key string) (size int64) {
	t.Helper()
	if _, err := f.Put(t.Context(), "/block", storetest.Source(io.LimitReader(bufio.NewReaderSize(&numbered{}, chunk), block)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	etag := unquote(headOf(t, f, "block").ETag)
	to, err := f.createCopyUpload(t.Context(), &s3.CreateMultipartUploadInput{Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	parts := make([]types.CompletedPart, 13)
	for i := range parts {
		s := span{0, block - 1}
		if i == len(parts)-1 {
			s.last = chunk - 1
		}
		n := int32(i + 1)
		if parts[i].ETag, err = f.copyPart(t.Context(), to, "block", etag, n, s); err != nil {
			t.Fatal(err)
		}
		parts[i].PartNumber = &n
		size += s.size()
	}
	_, err = f.api.CompleteMultipartUpload(s3http.WithSlow(t.Context()), &s3.CompleteMultipartUploadInput{Bucket: &f.bucket, Key: &key,
		UploadId: &to.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// A directory with a file that is too large for CopyObject can be renamed, and the file is unchanged.
func TestRenameSixGiB(t *testing.T) {
	if os.Getenv("S3FTPD_TEST_LARGE") == "" {
		t.Skip("takes more than a minute and 13 GB of disk; S3FTPD_TEST_LARGE=1 runs it")
	}
	f := NewFS(minio(t, "files"), Options{Bucket: "files"})
	size := sixGiB(t, f, "d/large")
	putWithHeaders(t, f, "d/small", 7)
	began := time.Now()
	if _, err := f.Rename(t.Context(), "/d", "/e", true); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes renamed in %v", size, time.Since(began))
	checkMissing(t, f, "/d")
	checkObject(t, f, "e/small", noise(7))
	checkNoUploads(t, f, "e/large")
	if is := headOf(t, f, "e/large"); !strings.HasSuffix(unquote(is.ETag), "-13") || aws.ToInt64(is.ContentLength) != size {
		t.Errorf("%d bytes with ETag %s, want %d in 13 parts", aws.ToInt64(is.ContentLength), aws.ToString(is.ETag), size)
	}
	r, err := f.Open(t.Context(), "/e/large", proxy.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, want, n := make([]byte, chunk), make([]byte, chunk), int64(0)
	for expected := (&numbered{}); n < size; n += int64(len(got)) {
		expected.Read(want)
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("other bytes, or %v, from %d on", err, n)
		}
	}
	if _, err := r.Read(got); n != size || err != io.EOF {
		t.Errorf("%d bytes compared, want %d, and then %v", n, size, err)
	}
}
