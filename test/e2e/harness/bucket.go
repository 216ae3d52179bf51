package harness

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A Bucket is the bucket that s3ftpd serves, reached over S3 without s3ftpd. It is a client of the S3 server too.
type Bucket struct {
	T testing.TB
	*s3.Client
	Name string
}

// NewBucket creates the bucket that a Server serves.
func NewBucket(t testing.TB, server *real.S3) Bucket {
	t.Helper()
	v := Bucket{t, server.Client(), BucketName}
	v.Create()
	return v
}

// Create creates the bucket.
func (v Bucket) Create() {
	v.T.Helper()
	if _, err := v.CreateBucket(v.T.Context(), &s3.CreateBucketInput{Bucket: &v.Name}); err != nil {
		v.T.Fatal(err)
	}
}

// Sum returns the SHA-256 of an object, or "absent".
func (v Bucket) Sum(key string) string {
	v.T.Helper()
	got, err := v.GetObject(context.WithoutCancel(v.T.Context()), &s3.GetObjectInput{Bucket: &v.Name, Key: &key})
	if gone := new(types.NoSuchKey); errors.As(err, &gone) {
		return "absent"
	}
	if err != nil {
		v.T.Fatalf("getting %q: %v", key, err)
	}
	defer got.Body.Close()
	return SumOf(v.T, got.Body)
}

// Put stores an object.
func (v Bucket) Put(key, content string) {
	v.T.Helper()
	_, err := v.PutObject(v.T.Context(), &s3.PutObjectInput{Bucket: &v.Name, Key: &key, Body: bytes.NewReader([]byte(content))}, Unsigned)
	if err != nil {
		v.T.Fatal(err)
	}
}

// PutFile stores a file as an object.
func (v Bucket) PutFile(key, name string) {
	v.T.Helper()
	f, err := os.Open(name)
	if err != nil {
		v.T.Fatal(err)
	}
	defer f.Close()
	if _, err := v.PutObject(v.T.Context(), &s3.PutObjectInput{Bucket: &v.Name, Key: &key, Body: f}, Unsigned); err != nil {
		v.T.Fatal(err)
	}
}

// Keys returns all keys with a prefix, sorted.
func (v Bucket) Keys(prefix string) (keys []string) {
	v.T.Helper()
	pages := s3.NewListObjectsV2Paginator(v, &s3.ListObjectsV2Input{Bucket: &v.Name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(v.T.Context())
		if err != nil {
			v.T.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys
}

// Empty deletes all keys with a prefix.
func (v Bucket) Empty(prefix string) {
	v.T.Helper()
	for _, key := range v.Keys(prefix) {
		if _, err := v.DeleteObject(v.T.Context(), &s3.DeleteObjectInput{Bucket: &v.Name, Key: &key}); err != nil {
			v.T.Fatal(err)
		}
	}
}

// Uploads returns the number of open multipart uploads to keys with this prefix.
func (v Bucket) Uploads(key string) int {
	v.T.Helper()
	got, err := v.ListMultipartUploads(v.T.Context(), &s3.ListMultipartUploadsInput{Bucket: &v.Name, Prefix: &key})
	if err != nil {
		v.T.Fatal(err)
	}
	return len(got.Uploads)
}

// PartBytes returns how many bytes an open multipart upload has in consecutive parts from the first on.
func (v Bucket) PartBytes(key string) (bytes int64) {
	v.T.Helper()
	open, err := v.ListMultipartUploads(v.T.Context(), &s3.ListMultipartUploadsInput{Bucket: &v.Name, Prefix: &key})
	if err != nil {
		v.T.Fatal(err)
	}
	for _, u := range open.Uploads {
		parts, err := v.ListParts(v.T.Context(), &s3.ListPartsInput{Bucket: &v.Name, Key: &key, UploadId: u.UploadId})
		if err != nil {
			continue // it has ended meanwhile
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

// UploadSizes returns how many bytes each open multipart upload of a key holds.
func (v Bucket) UploadSizes(key string) (sizes []int64) {
	v.T.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.T.Context()), time.Minute)
	defer cancel()
	open, err := v.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &v.Name, Prefix: &key})
	if err != nil {
		v.T.Fatal(err)
	}
	for _, u := range open.Uploads {
		parts, err := v.ListParts(ctx, &s3.ListPartsInput{Bucket: &v.Name, Key: &key, UploadId: u.UploadId})
		if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "NoSuchUpload" {
			continue // it has ended meanwhile
		}
		if err != nil {
			v.T.Fatal(err)
		}
		n := int64(0)
		for _, p := range parts.Parts {
			n += aws.ToInt64(p.Size)
		}
		sizes = append(sizes, n)
	}
	return sizes
}

// Upload stores an object of size bytes, from memory, in parts of 8 MiB, four at a time: the fastest way of the SDK without
// s3ftpd.
func (v Bucket) Upload(key string, size int64) {
	ctx := v.T.Context()
	created, err := v.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &v.Name, Key: &key})
	if err != nil {
		v.T.Fatal(err)
	}
	parts := make([]types.CompletedPart, size/int64(len(Block())))
	var all sync.WaitGroup
	slots := make(chan bool, 4)
	for i := range parts {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			parts[i] = v.part(ctx, key, created.UploadId, int32(i+1))
		})
	}
	all.Wait()
	_, err = v.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &v.Name, Key: &key,
		UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		v.T.Error(err)
	}
}

func (v Bucket) part(ctx context.Context, key string, id *string, number int32) types.CompletedPart {
	got, err := v.UploadPart(ctx, &s3.UploadPartInput{Bucket: &v.Name, Key: &key, UploadId: id, PartNumber: &number,
		Body: bytes.NewReader(Block())}, Unsigned)
	if err != nil {
		v.T.Error(err)
		return types.CompletedPart{}
	}
	return types.CompletedPart{PartNumber: &number, ETag: got.ETag}
}

// Download reads an object over one connection.
func (v Bucket) Download(key string) {
	got, err := v.GetObject(v.T.Context(), &s3.GetObjectInput{Bucket: &v.Name, Key: &key})
	if err != nil {
		v.T.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, got.Body, make([]byte, 256*KiB)); err != nil {
		v.T.Error(err)
	}
}

// Unsigned is an option of a request: no hash over its body, and no checksum.
func Unsigned(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}
