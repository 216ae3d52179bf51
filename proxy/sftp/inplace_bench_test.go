package sftp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A counter is the HTTP client of a store that counts its requests.
type counter struct {
	s3.HTTPClient
	mu    sync.Mutex
	calls []string
	read  int64 // bytes of objects
}

// Do implements s3.HTTPClient.
func (c *counter) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.HTTPClient.Do(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, real.Operation(r))
	if err == nil && real.Operation(r) == "GetObject" {
		c.read += resp.ContentLength
	}
	return resp, err
}

// take returns the requests since the last call, and how many bytes they have read. An upload of more than a second is verified by
// another HeadObject, which does not count.
func (c *counter) take() (requests string, read int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.calls) - 1; n > 0 && c.calls[n] == "HeadObject" && c.calls[n-1] == "CompleteMultipartUpload" {
		c.calls = c.calls[:n]
	}
	order := []string{"HeadObject", "ListObjectsV2", "ListMultipartUploads", "GetObject", "PutObject", "CreateMultipartUpload", "UploadPartCopy", "UploadPart"}
	slices.SortFunc(c.calls, func(a, b string) int { return slices.Index(order, a)&15 - slices.Index(order, b)&15 })
	for i := 0; i < len(c.calls); {
		n := i
		for n < len(c.calls) && c.calls[n] == c.calls[i] {
			n++
		}
		requests += fmt.Sprintf(", %d %s", n-i, c.calls[i])
		i = n
	}
	requests, read = strings.TrimPrefix(requests, ", "), c.read
	c.calls, c.read = nil, 0
	return requests, read
}

// An inPlaceBench is a store on S3 whose files clients change.
type inPlaceBench struct {
	*testing.T
	api    *s3.Client
	count  *counter
	store  *s3fs.FS
	budget *budget.Budget
}

const inPlaceBucket = "in-place"

func newInPlaceBench(t *testing.T, server *real.S3) *inPlaceBench {
	b := &inPlaceBench{T: t, api: server.Client(), count: &counter{HTTPClient: s3http.New(s3http.Config{Timeout: 30 * time.Second})}, budget: budget.New(96 << 20)}
	if _, err := b.api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(inPlaceBucket)}); err != nil {
		t.Fatal(err)
	}
	c, err := s3fs.NewClient(t.Context(), s3fs.Config{
		Endpoint: server.Endpoint, Region: server.Region, Credentials: b.api.Options().Credentials, HTTPClient: b.count,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b.store = s3fs.NewFS(c, s3fs.Options{Bucket: inPlaceBucket, Budget: b.budget})
	return b
}

// session runs what a client does to a file with a size.
func (b *inPlaceBench) session(size int64, do func(r *remote)) *remote {
	b.count.take()
	r := &remote{name: "/f", length: size, client: newClient(b.T, func(srv *Server, a *proxy.Account) {
		srv.Budget, a.Store = b.budget, b.store
	})}
	do(r)
	r.finish()
	if err := r.close(); err != nil {
		b.Error(err)
	}
	return r
}

// put makes /f a copy of content, which S3 keeps by its size.
func (b *inPlaceBench) put(content []byte) {
	b.Helper()
	seed := fmt.Sprint("seed-", len(content))
	if _, err := b.api.HeadObject(b.Context(), &s3.HeadObjectInput{Bucket: aws.String(inPlaceBucket), Key: &seed}); err != nil {
		in := &s3.PutObjectInput{Bucket: aws.String(inPlaceBucket), Key: &seed, Body: bytes.NewReader(content)}
		if _, err := b.api.PutObject(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
	in := &s3.CopyObjectInput{Bucket: aws.String(inPlaceBucket), Key: aws.String("f"), CopySource: aws.String(inPlaceBucket + "/" + seed)}
	if _, err := b.api.CopyObject(b.Context(), in); err != nil {
		b.Fatal(err)
	}
}

// check compares the object with what it should be.
func (b *inPlaceBench) check(want io.Reader) {
	b.Helper()
	got, err := b.api.GetObject(b.Context(), &s3.GetObjectInput{Bucket: aws.String(inPlaceBucket), Key: aws.String("f")})
	if err != nil {
		b.Fatal(err)
	}
	defer got.Body.Close()
	x, y := make([]byte, mebibyte), make([]byte, mebibyte)
	for at := 0; ; at += mebibyte {
		n, errX := io.ReadFull(got.Body, x)
		m, errY := io.ReadFull(want, y)
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			b.Fatalf("the object and the file differ from %d on", at)
		}
		if errX != nil || errY != nil {
			return
		}
	}
}

// assemble makes /f consist of n copies of itself.
func (b *inPlaceBench) assemble(n int) {
	ctx, bucket, key := b.Context(), aws.String(inPlaceBucket), aws.String("f")
	u, err := b.api.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		b.Fatal(err)
	}
	list := &types.CompletedMultipartUpload{}
	for i := range n {
		out, err := b.api.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: bucket, Key: key, UploadId: u.UploadId, PartNumber: aws.Int32(int32(i + 1)), CopySource: aws.String(inPlaceBucket + "/f"),
		})
		if err != nil {
			b.Fatal(err)
		}
		list.Parts = append(list.Parts, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.CopyPartResult.ETag})
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: u.UploadId, MultipartUpload: list}
	if _, err := b.api.CompleteMultipartUpload(ctx, in); err != nil {
		b.Fatal(err)
	}
}
