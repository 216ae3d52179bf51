package s3fs

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// everything has a value for each attribute.
var everything = Attributes{
	StorageClass: "STANDARD_IA",
	SSE:          "aws:kms",
	KMSKey:       "alias/uploads",
	ACL:          "bucket-owner-full-control",
	Tags:         map[string]string{"team": "a b", "a+b": "x=y/z"},
}

// attributeHeaders are the headers for everything: new objects have all of them, copies the second half.
var attributeHeaders = []struct{ header, value string }{
	{"X-Amz-Storage-Class", "STANDARD_IA"},
	{"X-Amz-Tagging", "a%2Bb=x%3Dy%2Fz&team=a%20b"},
	{"X-Amz-Server-Side-Encryption", "aws:kms"},
	{"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "alias/uploads"},
	{"X-Amz-Acl", "bucket-owner-full-control"},
}

// Each kind of upload sets the attributes on the object. A copy sets those that S3 does not copy.
func TestAttributesOnEveryWayOfWriting(t *testing.T) {
	head := func(_ *http.Request, call string) (*http.Response, error) {
		if call == "Copy" {
			return response(200, `<R><ETag>"e"</ETag></R>`), nil
		}
		if call != "Head" {
			return nil, nil
		}
		resp := described(4, `"e"`)
		resp.Header.Set("X-Amz-Storage-Class", "GLACIER_IR")
		resp.Header.Set("X-Amz-Server-Side-Encryption", "aws:kms:dsse")
		resp.Header.Set("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true")
		return resp, nil
	}
	file := func(_ *http.Request, call string) (*http.Response, error) {
		switch call {
		case "List":
			return response(200, "<ListBucketResult></ListBucketResult>"), nil
		case "Delete":
			return response(204, ""), nil
		}
		return head(nil, call)
	}
	for name, way := range map[string]struct {
		fault func(*http.Request, string) (*http.Response, error) // nil = a directory d
		do    func(context.Context, *FS) error
		call  string
		copy  bool
	}{
		"small": {call: "Put", do: func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(1)), proxy.Write{}))
		}},
		"empty": {call: "Put", do: func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(0)), proxy.Write{}))
		}},
		"parts": {call: "Create", fault: func(*http.Request, string) (*http.Response, error) { return nil, nil },
			do: func(ctx context.Context, f *FS) error {
				return errOf(f.Put(ctx, "/f", storetest.Source(zeros(minPart+1)), proxy.Write{}))
			}},
		"directory": {call: "Put", do: func(ctx context.Context, f *FS) error { return errOf(f.Mkdir(ctx, "/e")) }},
		"rename of a file": {call: "Copy", copy: true, fault: file,
			do: func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/a", "/b", true)) }},
		"rename of a directory": {call: "Copy", copy: true, do: func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/d", "/e", true)) }},
		"time": {call: "Copy", copy: true, fault: head,
			do: func(ctx context.Context, f *FS) error { return errOf(f.SetTime(ctx, "/f", time.Unix(1, 0))) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			if s.makeTree(1, 1, nil); way.fault != nil {
				s.fault = way.fault
			}
			if err := way.do(t.Context(), s.fs(Options{Attributes: everything, PartSize: minPart})); err != nil {
				t.Fatal(err)
			}
			for i, want := range attributeHeaders {
				value := want.value
				if way.copy && i < 2 {
					value = []string{"GLACIER_IR", ""}[i] // the source's own
				}
				if got := s.header(way.call, want.header); got != value {
					t.Errorf("%s: %q, want %q", want.header, got, value)
				}
			}
			if got := s.header(way.call, "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"); got != "" {
				t.Errorf("the bucket key of the source is set with another encryption: %s", got)
			}
		})
	}
}

// A copy in parts gets the same attributes as other copies. It keeps those of the source that are not configured.
func TestAttributesOnCopiesInParts(t *testing.T) {
	in := &s3.CreateMultipartUploadInput{StorageClass: "GLACIER_IR", Tagging: aws.String("a=b"), ServerSideEncryption: "aws:kms",
		SSEKMSKeyId: aws.String("theirs"), BucketKeyEnabled: aws.Bool(true)}
	new(Attributes).applyToCopyCreate(in)
	if in.ServerSideEncryption != "aws:kms" || *in.SSEKMSKeyId != "theirs" || in.BucketKeyEnabled == nil || in.ACL != "" {
		t.Errorf("without attributes: %+v", in)
	}
	a := Attributes{StorageClass: "STANDARD_IA", SSE: "AES256", ACL: "private", Tags: map[string]string{"c": "d"}}
	a.applyToCopyCreate(in)
	if in.StorageClass != "GLACIER_IR" || *in.Tagging != "a=b" || in.ServerSideEncryption != "AES256" || in.SSEKMSKeyId != nil ||
		in.BucketKeyEnabled != nil || in.ACL != "private" {
		t.Errorf("with attributes: %+v", in)
	}
}

// A rename keeps the KMS key of the source, in one request and in parts, unless another key is configured.
func TestRenameKeepsKMSKey(t *testing.T) {
	const keyID = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	for call, size := range map[string]int64{"Copy": 5, "Create": 2 * minPart} {
		for sse, want := range map[string]string{"": "theirs", "aws:kms": "ours", "AES256": ""} {
			own := Attributes{SSE: sse}
			if sse == "aws:kms" {
				own.KMSKey = "ours"
			}
			s := newFake(t)
			s.copying(func(r *http.Request, now string) (*http.Response, error) {
				switch {
				case now == "Head" && r.URL.Path == "/b/large":
					resp := described(size, `"e"`)
					resp.Header.Set("X-Amz-Server-Side-Encryption", "aws:kms")
					resp.Header.Set("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true")
					resp.Header.Set(keyID, "theirs")
					return resp, nil
				case now == "Copy":
					return response(200, `<R><ETag>"e"</ETag></R>`), nil
				case now == "Delete":
					return response(204, ""), nil
				}
				return nil, nil
			})
			if _, err := inSmallParts(s.fs(Options{Attributes: own})).Rename(t.Context(), "/large", "/copy", true); err != nil {
				t.Error(err)
			}
			if got := s.header(call, keyID); got != want {
				t.Errorf("%s, with %+v: key %q, want %q", call, own, got, want)
			}
			if got := s.header(call, "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"); (got == "true") != (want == "theirs") {
				t.Errorf("%s, with %+v: bucket key %q", call, own, got)
			}
		}
	}
}

// Without attributes, no request has their headers.
func TestNoAttributes(t *testing.T) {
	s := newFake(t)
	f := s.fs(Options{PartSize: minPart})
	if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(minPart+1)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(1)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	for i, headers := range s.sentHeaders() {
		for _, a := range attributeHeaders {
			if _, said := headers[a.header]; said {
				t.Errorf("%s has %s", s.requests()[i], a.header)
			}
		}
	}
}

func TestAttributesOnMinIO(t *testing.T) {
	c := minio(t, "attributes")
	tags := map[string]string{"team": "a b", "a+b": "x=y/z"}
	f := NewFS(c, Options{Bucket: "attributes", PartSize: minPart,
		Attributes: Attributes{StorageClass: "REDUCED_REDUNDANCY", ACL: "private", Tags: tags}})
	for _, err := range []error{
		errOf(f.Put(t.Context(), "/small", storetest.Source(strings.NewReader("x")), proxy.Write{})),
		errOf(f.Put(t.Context(), "/parts", storetest.Source(zeros(minPart+1)), proxy.Write{})),
		errOf(f.Mkdir(t.Context(), "/dir")),
		errOf(f.Put(t.Context(), "/old", storetest.Source(strings.NewReader("x")), proxy.Write{})),
		errOf(f.Rename(t.Context(), "/old", "/renamed", true)),
		errOf(f.SetTime(t.Context(), "/renamed", time.Unix(1, 0))),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"small", "parts", "dir/", "renamed"} {
		is, err := c.api.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &f.bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if is.StorageClass != "REDUCED_REDUNDANCY" {
			t.Errorf("%s: storage class %q", key, is.StorageClass)
		}
		out, err := c.api.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: &f.bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		for _, tag := range out.TagSet {
			got[*tag.Key] = *tag.Value
		}
		if !maps.Equal(got, tags) {
			t.Errorf("%s: tags %q", key, got)
		}
	}
}
