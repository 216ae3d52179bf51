package s3fs

import (
	"errors"
	"io/fs"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/real"
)

var _ proxy.Buckets = Buckets{}

func TestBuckets(t *testing.T) {
	t.Run("embedded store", func(t *testing.T) {
		server := httptest.NewServer(embeddedStore(t, signed))
		t.Cleanup(server.Close)
		testBuckets(t, dial(t, Config{Endpoint: server.URL, Region: "us-east-1", Credentials: keys("demo", "demo-secret")}))
	})
	t.Run("MinIO", func(t *testing.T) {
		server := real.MinIO(t)
		testBuckets(t, dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)}))
	})
}

func testBuckets(t *testing.T, c *Client) {
	b := Buckets{Client: c, Options: Options{Prefix: "in"}}
	ctx := t.Context()
	for _, name := range []string{"second-bucket", "first-bucket"} {
		if err := b.Make(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := b.Stat(ctx, "first-bucket"); err != nil || e.Name != "first-bucket" || !e.Dir {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := b.Stat(ctx, "third-bucket"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing bucket: %v", err)
	}
	if err := b.Make(ctx, "first-bucket"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Make of a bucket: %v", err)
	}
	if err := b.Make(ctx, "No_Bucket"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("an invalid name: %v", err)
	}
	if _, err := b.Open("first-bucket").Put(ctx, "/f", storetest.Source(strings.NewReader("x")), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	if e, err := NewFS(c, Options{Bucket: "first-bucket"}).Stat(ctx, "/in/f"); err != nil || e.Size != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	var names []string
	for e, err := range b.List(ctx) {
		if err != nil || !e.Dir || e.ModTime.IsZero() {
			t.Errorf("%+v, %v", e, err)
		}
		names = append(names, e.Name)
	}
	if !slices.IsSorted(names) || !slices.Contains(names, "first-bucket") || !slices.Contains(names, "second-bucket") {
		t.Errorf("listed %q", names)
	}
	for name, want := range map[string]error{"first-bucket": syscall.ENOTEMPTY, "second-bucket": nil, "third-bucket": fs.ErrNotExist} {
		if err := b.Remove(ctx, name); !errors.Is(err, want) {
			t.Errorf("removing %s: %v, want %v", name, err, want)
		}
	}
}

// An error is the last value that the list of buckets yields.
func TestListOfBucketsEndsWithError(t *testing.T) {
	server := httptest.NewServer(embeddedStore(t, s3demo.Options{Keys: map[string]string{"other": "secret"}}))
	t.Cleanup(server.Close)
	b := Buckets{Client: dial(t, Config{Endpoint: server.URL, Credentials: keys("demo", "demo-secret")})}
	n := 0
	for _, err := range b.List(t.Context()) {
		if n++; err == nil {
			t.Error("a list without a key")
		}
	}
	if n != 1 {
		t.Errorf("%d results", n)
	}
}
