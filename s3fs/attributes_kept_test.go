package s3fs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// bothStores runs a test in an empty bucket of MinIO, and in one of the embedded store.
func bothStores(t *testing.T, test func(*testing.T, *Client)) {
	t.Run("MinIO", func(t *testing.T) { test(t, minio(t, "files")) })
	t.Run("embedded", func(t *testing.T) { test(t, embedded(t, "files")) })
}

// putWithHeaders puts an object with all headers and tags that a copy must keep, and returns its HeadObject output.
func putWithHeaders(t *testing.T, f *FS, key string, size int) *s3.HeadObjectOutput {
	t.Helper()
	_, err := f.api.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &f.bucket, Key: &key, Body: bytes.NewReader(noise(size)),
		ContentType: aws.String("text/x-odd; charset=utf-8"), ContentEncoding: aws.String("gzip"),
		ContentLanguage: aws.String("de"), ContentDisposition: aws.String(`attachment; filename="x"`), CacheControl: aws.String("no-store"),
		Expires:      aws.Time(time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)),
		Metadata:     map[string]string{"mtime": "981173106", "owner": "somebody else"},
		StorageClass: types.StorageClassReducedRedundancy,
		Tagging:      aws.String("team=a%20b%3Dc&state=new%2B"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return headOf(t, f, key)
}

// headOf returns the HeadObject output of an object.
func headOf(t *testing.T, f *FS, key string) *s3.HeadObjectOutput {
	t.Helper()
	is, err := f.api.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &f.bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// noise returns random bytes, so that no two ranges are equal.
func noise(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{'n'}).Read(b)
	return b
}

// copiedHeaders returns the headers and tags of an object that a copy must have too.
func copiedHeaders(t *testing.T, f *FS, key string) map[string]string {
	t.Helper()
	is := headOf(t, f, key)
	tags, err := f.objectTags(t.Context(), key, is)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"Content-Type":        aws.ToString(is.ContentType),
		"Content-Encoding":    aws.ToString(is.ContentEncoding),
		"Content-Language":    aws.ToString(is.ContentLanguage),
		"Content-Disposition": aws.ToString(is.ContentDisposition),
		"Cache-Control":       aws.ToString(is.CacheControl),
		"Expires":             aws.ToString(is.ExpiresString),
		"class":               string(is.StorageClass),
		"metadata":            fmt.Sprint(is.Metadata),
		"tags":                aws.ToString(tags),
		"size":                fmt.Sprint(aws.ToInt64(is.ContentLength)),
	}
}

// checkObject checks the content of an object.
func checkObject(t *testing.T, f *FS, key string, want []byte) {
	t.Helper()
	r, err := f.Open(t.Context(), "/"+key, proxy.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v, which are not the %d of the source", key, len(got), err, len(want))
	}
}

// A spy calls a function for each request of a client before it is sent, one at a time.
type spy struct {
	s3.HTTPClient
	mu  sync.Mutex
	see func(call string, r *http.Request) (*http.Response, error) // instead of sending it, if it returns one
}

func (s *spy) Do(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	resp, err := s.see(name(r), r)
	s.mu.Unlock()
	if resp != nil || err != nil {
		return resp, err
	}
	return s.HTTPClient.Do(r)
}

// withSpy returns an FS like f, with a spy on its requests. It copies objects over 5 MiB in parts of 5 MiB.
func withSpy(t *testing.T, f *FS, see func(call string, r *http.Request) (*http.Response, error)) *FS {
	t.Helper()
	o := f.api.Options()
	c := dial(t, Config{Endpoint: *o.BaseEndpoint, Region: o.Region, Credentials: o.Credentials, HTTPClient: &spy{HTTPClient: f.client.http, see: see}})
	return inSmallParts(NewFS(c, Options{Bucket: f.bucket}))
}

// inSmallParts makes f copy objects over 5 MiB in parts.
func inSmallParts(f *FS) *FS {
	f.copyLimit, f.partCopySize = minPart, minPart
	return f
}

// checkNoUploads checks that the keys have no multipart uploads.
func checkNoUploads(t *testing.T, f *FS, keys ...string) {
	t.Helper()
	awaitCleanUps(t, f)
	for _, key := range keys { // MinIO lists them by the exact key only
		out, err := f.api.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &f.bucket, Prefix: &key})
		if err != nil || len(out.Uploads) > 0 {
			t.Errorf("%d multipart uploads of %s are left, %v", len(out.Uploads), key, err)
		}
	}
}

// awaitCleanUps waits for the end of clean-up in the background.
func awaitCleanUps(t *testing.T, f *FS) {
	t.Helper()
	l := f.client.uploads
	l.mu.Lock()
	places := slices.Collect(maps.Keys(l.cleaning))
	l.mu.Unlock()
	for _, place := range places {
		l.await(t.Context(), &l.cleaning, place)
	}
}

// checkMissing checks that neither a file nor a directory has this name.
func checkMissing(t *testing.T, f *FS, name string) {
	t.Helper()
	if _, err := f.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s exists, or %v", name, err)
	}
}
