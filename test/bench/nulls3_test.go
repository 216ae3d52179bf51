package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// The null S3 server answers the requests that s3ftpd and the SDK send in the benchmarks.
func TestNullS3(t *testing.T) {
	server := httptest.NewServer(newNullS3())
	defer server.Close()
	c := (&real.S3{Endpoint: server.URL, AccessKey: "a", SecretKey: "b", Region: "us-east-1"}).Client()
	bucket, key, made := aws.String("b"), aws.String("d/file"), aws.String("d/file-3000")
	put, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(make([]byte, 1000))})
	if err != nil || aws.ToString(put.ETag) != etag {
		t.Errorf("PutObject: %v", err)
	}
	for _, c2 := range []struct {
		key         *string
		span        string
		size, whole int64
	}{{key, "", 1000, 1000}, {made, "", 3000, 3000}, {made, "bytes=1000-1999", 1000, 3000}, {made, "bytes=1000-", 2000, 3000}} {
		in := &s3.GetObjectInput{Bucket: bucket, Key: c2.key}
		if c2.span != "" {
			in.Range = &c2.span
		}
		got, err := c.GetObject(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, got.Body)
		head, headErr := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: c2.key})
		if err != nil || n != c2.size || headErr != nil || aws.ToInt64(head.ContentLength) != c2.whole {
			t.Errorf("%s %q: %d bytes, %v, %v", *c2.key, c2.span, n, err, headErr)
		}
	}
	if _, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("none")}); err == nil {
		t.Error("a missing object exists")
	}
	if n := countKeys(t.Context(), t, c, "list-2500/"); n != 2500 {
		t.Errorf("%d keys in the listing, want 2500", n)
	}
	created, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(2) {
		_, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: created.UploadId, PartNumber: aws.Int32(i + 1),
			Body: bytes.NewReader(make([]byte, 500))})
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: created.UploadId}); err != nil {
		t.Error(err)
	}
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil || aws.ToInt64(head.ContentLength) != 1000 {
		t.Errorf("the object of two parts: %v", err)
	}
}

// The null S3 server lists the objects that clients have put, and groups them at the delimiter, so that programs find the
// directories of the benchmarks from the root on.
func TestNullS3Lists(t *testing.T) {
	server := httptest.NewServer(newNullS3())
	defer server.Close()
	c := (&real.S3{Endpoint: server.URL, AccessKey: "a", SecretKey: "b", Region: "us-east-1"}).Client()
	bucket := aws.String("b")
	for i := range pageSize + 1 {
		putSmall(t, c, fmt.Sprintf("bench/%04d-7", i))
	}
	putSmall(t, c, "list-2500/first")
	putSmall(t, c, "root")
	got, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String(""), Delimiter: aws.String("/")})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range got.CommonPrefixes {
		names = append(names, *p.Prefix)
	}
	for _, o := range got.Contents {
		names = append(names, *o.Key)
	}
	if want := []string{"bench/", "list-2500/", "root"}; !slices.Equal(names, want) {
		t.Errorf("the root has %q, want %q", names, want)
	}
	if n := countKeys(t.Context(), t, c, "bench/"); n != pageSize+1 {
		t.Errorf("%d keys below bench/, want %d", n, pageSize+1)
	}
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("bench/0000-7")}); err != nil {
		t.Error(err)
	}
	if n := countKeys(t.Context(), t, c, "bench/"); n != pageSize {
		t.Errorf("%d keys below bench/ after a deletion, want %d", n, pageSize)
	}
	if n := countKeys(t.Context(), t, c, "list-2500/"); n != 2500 {
		t.Errorf("%d keys below list-2500/, want 2500", n)
	}
}

func putSmall(t *testing.T, c *s3.Client, key string) {
	t.Helper()
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: &key, Body: strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
}

func countKeys(ctx context.Context, t testing.TB, c *s3.Client, prefix string) (n int) {
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String("b"), Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Contents)
	}
	return n
}
