package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A bucketView looks at the bucket from the other side: over S3, without the program under test.
type bucketView struct {
	t testing.TB
	*s3.Client
	bucket string
}

// newBucket makes the bucket that the bridge serves.
func newBucket(t testing.TB, server *real.S3) bucketView {
	t.Helper()
	v := bucketView{t, server.Client(), bucket}
	v.make()
	return v
}

func (v bucketView) make() {
	v.t.Helper()
	if _, err := v.CreateBucket(v.t.Context(), &s3.CreateBucketInput{Bucket: &v.bucket}); err != nil {
		v.t.Fatal(err)
	}
}

// sum returns the SHA-256 of an object, or "absent".
func (v bucketView) sum(key string) string {
	v.t.Helper()
	got, err := v.GetObject(context.WithoutCancel(v.t.Context()), &s3.GetObjectInput{Bucket: &v.bucket, Key: &key})
	if gone := new(types.NoSuchKey); errors.As(err, &gone) {
		return "absent"
	}
	if err != nil {
		v.t.Fatalf("getting %q: %v", key, err)
	}
	defer got.Body.Close()
	return sumOf(v.t, got.Body)
}

func (v bucketView) put(key, content string) {
	v.t.Helper()
	_, err := v.PutObject(v.t.Context(), &s3.PutObjectInput{Bucket: &v.bucket, Key: &key, Body: bytes.NewReader([]byte(content))}, unsigned)
	if err != nil {
		v.t.Fatal(err)
	}
}

// putFile puts a file as an object.
func (v bucketView) putFile(key, name string) {
	v.t.Helper()
	f, err := os.Open(name)
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	if _, err := v.PutObject(v.t.Context(), &s3.PutObjectInput{Bucket: &v.bucket, Key: &key, Body: f}, unsigned); err != nil {
		v.t.Fatal(err)
	}
}

// keys returns all keys with a prefix, sorted.
func (v bucketView) keys(prefix string) (keys []string) {
	v.t.Helper()
	pages := s3.NewListObjectsV2Paginator(v, &s3.ListObjectsV2Input{Bucket: &v.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(v.t.Context())
		if err != nil {
			v.t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys
}

// empty deletes all keys with a prefix.
func (v bucketView) empty(prefix string) {
	v.t.Helper()
	for _, key := range v.keys(prefix) {
		if _, err := v.DeleteObject(v.t.Context(), &s3.DeleteObjectInput{Bucket: &v.bucket, Key: &key}); err != nil {
			v.t.Fatal(err)
		}
	}
}

// running returns how many multipart uploads of a key were begun and not ended.
func (v bucketView) running(key string) int {
	v.t.Helper()
	got, err := v.ListMultipartUploads(v.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &v.bucket, Prefix: &key})
	if err != nil {
		v.t.Fatal(err)
	}
	return len(got.Uploads)
}

func sumOf(t testing.TB, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func sumFile(t testing.TB, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return sumOf(t, f)
}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// makeFile writes size bytes that do not repeat, different for each name, and returns their SHA-256.
func makeFile(t testing.TB, name string, size int64) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), noise(name), size); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// noise is an endless stream of bytes that depends on its seed alone.
func noise(seed string) io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte(seed))) }

// parts returns how many bytes of an upload S3 has, in parts from the first on, without a gap.
func (v bucketView) parts(key string) (bytes int64) {
	v.t.Helper()
	open, err := v.ListMultipartUploads(v.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &v.bucket, Prefix: &key})
	if err != nil {
		v.t.Fatal(err)
	}
	for _, u := range open.Uploads {
		parts, err := v.ListParts(v.t.Context(), &s3.ListPartsInput{Bucket: &v.bucket, Key: &key, UploadId: u.UploadId})
		if err != nil {
			continue // ended meanwhile
		}
		sum := int64(0)
		next := int32(1)
		for _, p := range parts.Parts {
			if aws.ToInt32(p.PartNumber) == next {
				sum += aws.ToInt64(p.Size)
				next++
			}
		}
		bytes = max(bytes, sum)
	}
	return bytes
}
