package s3fs

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// An endlessBody begins with a text, and repeats another one. It counts the bytes that are read.
type endlessBody struct {
	begin, more string
	next        string
	read        int64
}

func (b *endlessBody) Read(p []byte) (int, error) {
	if b.read == 0 {
		b.next = b.begin
	}
	if b.next == "" {
		b.next = b.more
	}
	n := copy(p, b.next)
	b.next = b.next[n:]
	b.read += int64(n)
	return n, nil
}

func (b *endlessBody) Close() error { return nil }

// An answer that never ends fails its request, which is not repeated. Not much more than the limit is read.
func TestAnswersAreLimited(t *testing.T) {
	long := strings.Repeat("k", 10<<10)
	for name, x := range map[string]struct {
		status      int
		begin, more string
		limit       int64
		send        func(ctx context.Context, f *FS) error
	}{
		"a page of keys": {200, "<ListBucketResult>", "<Contents><Key>k</Key><Size>1</Size></Contents>", maxPageSize, func(ctx context.Context, f *FS) error {
			_, err := f.fetchPage(ctx, "", "", "", 0)
			return err
		}},
		"a listing": {200, "<ListBucketResult>", " ", maxPageSize, func(ctx context.Context, f *FS) error {
			for _, err := range f.List(ctx, "/", "") {
				return err
			}
			return nil
		}},
		"uploads": {200, "<R>", "<Upload><Key>" + long + "</Key><UploadId>id</UploadId></Upload>", maxAnswer, func(ctx context.Context, f *FS) error {
			_, err := f.listUploads(ctx, "k")
			return err
		}},
		"parts": {200, "<R>", "<Part><PartNumber>1</PartNumber><ETag>" + long + "</ETag></Part>", maxAnswer, func(ctx context.Context, f *FS) error {
			bucket, key, id := "b", "k", "id"
			_, err := f.api.ListParts(ctx, &s3.ListPartsInput{Bucket: &bucket, Key: &key, UploadId: &id})
			return err
		}},
		"buckets": {200, "<R><Buckets>", "<Bucket><Name>" + long + "</Name></Bucket>", maxAnswer, func(ctx context.Context, f *FS) error {
			_, err := f.api.ListBuckets(ctx, &s3.ListBucketsInput{})
			return err
		}},
		"an error": {403, "<Error><Code>AccessDenied</Code><Message>", "no ", maxAnswer, func(ctx context.Context, f *FS) error {
			_, err := f.Open(ctx, "/k", proxy.Range{})
			return err
		}},
	} {
		var bodies []*endlessBody
		s := newFake(t)
		s.fault = func(*http.Request, string) (*http.Response, error) {
			body := &endlessBody{begin: x.begin, more: strings.Repeat(x.more, 1<<10)}
			bodies = append(bodies, body)
			answer := response(x.status, "")
			answer.Body, answer.ContentLength = body, -1
			return answer, nil
		}
		if err := x.send(t.Context(), s.fs(Options{Resume: time.Hour})); err == nil || !strings.Contains(err.Error(), " is longer than ") {
			t.Errorf("%s: %v", name, err)
		}
		if len(bodies) != 1 || bodies[0].read <= x.limit || bodies[0].read > x.limit+1<<20 {
			t.Errorf("%s: %d requests, %d bytes of the first answer are read", name, len(bodies), bodies[0].read)
		}
	}
}

// The body of an object is not limited.
func TestObjectsAreNotLimited(t *testing.T) {
	s := newFake(t)
	const size = maxPageSize + maxAnswer
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		answer := response(200, "")
		answer.Header.Set("ETag", `"x"`)
		answer.Body, answer.ContentLength = io.NopCloser(io.LimitReader(&endlessBody{more: strings.Repeat("k", 1<<16)}, size)), size
		return answer, nil
	}
	bucket, key := "b", "k"
	out, err := s.fs(Options{}).api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, out.Body); err != nil || n != size {
		t.Errorf("%d bytes, %v", n, err)
	}
}
