package grant

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// newBuckets returns the buckets of an embedded store.
func newBuckets(t *testing.T, names ...string) proxy.Buckets {
	t.Helper()
	store, err := s3demo.Open(t.TempDir(), s3demo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	server := httptest.NewServer(store.Handler())
	t.Cleanup(server.Close)
	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "demo", SecretAccessKey: "demo"}, nil
	})
	client, err := s3fs.NewClient(t.Context(), s3fs.Config{Endpoint: server.URL, Credentials: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b := s3fs.Buckets{Client: client, Options: s3fs.Options{PartSize: 5 << 20}}
	for _, name := range names {
		if err := b.Make(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// A below is the directory of a store, as a store of its own.
type below struct {
	proxy.Store
	dir string
}

func (b below) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	e, err := b.Store.Stat(ctx, b.dir+name)
	if name == "/" {
		e.Name = "/"
	}
	return e, err
}

func (b below) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	return b.Store.List(ctx, strings.TrimSuffix(b.dir+dir, "/"), prefix)
}

func (b below) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	return b.Store.Open(ctx, b.dir+name, at)
}

func (b below) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	return b.Store.Put(ctx, b.dir+name, belowSource{src, b.dir}, w)
}

type belowSource struct {
	proxy.Source
	dir string
}

func (s belowSource) Next(ctx context.Context) (proxy.Run, error) {
	run, err := s.Source.Next(ctx)
	if run.Copy != nil && run.Copy.From != "" {
		c := *run.Copy
		c.From = s.dir + c.From
		run.Copy = &c
	}
	return run, err
}

func (b below) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	return b.Store.Rename(ctx, b.dir+from, b.dir+to, replace)
}

func (b below) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	return b.Store.Remove(ctx, b.dir+name)
}

func (b below) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	return b.Store.Mkdir(ctx, b.dir+dir)
}

func (b below) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	return b.Store.Rmdir(ctx, b.dir+dir)
}

func (b below) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	return b.Store.SetTime(ctx, b.dir+name, mtime)
}

func (b below) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	return b.Store.Sum(ctx, b.dir+name, etag, algorithm, offset, length)
}

func (b below) Usage(ctx context.Context, dir string) (bytes, files int64, err error) {
	return b.Store.Usage(ctx, strings.TrimSuffix(b.dir+dir, "/"))
}

// A bucket below the root is a store as the contract demands.
func TestContractInBucket(t *testing.T) {
	if testing.Short() {
		t.Skip("the embedded store takes long with the race detector")
	}
	storetest.Run(t, storetest.Limits{Brief: true}, func(t *testing.T) proxy.Store {
		return below{Buckets(newBuckets(t, "invoices")), "/invoices"}
	})
}

func put(t *testing.T, s proxy.Store, name, content string) {
	t.Helper()
	if _, err := s.Put(t.Context(), name, storetest.Source(strings.NewReader(content)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, s proxy.Store, dir, prefix string) (names []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), dir, prefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name)
	}
	return names
}

func TestBucketsAsRoot(t *testing.T) {
	ctx, s := t.Context(), Buckets(newBuckets(t, "reports", "invoices"))
	put(t, s, "/invoices/a/f", "content")
	if got := list(t, s, "/", ""); !slices.Equal(got, []string{"invoices", "reports"}) {
		t.Errorf("the root lists %q", got)
	}
	if got := list(t, s, "/", "rep"); !slices.Equal(got, []string{"reports"}) {
		t.Errorf("the root lists %q with the prefix rep", got)
	}
	if got := list(t, s, "/invoices", ""); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the bucket lists %q", got)
	}
	if e, err := s.Stat(ctx, "/"); err != nil || !e.Dir || e.Name != "/" || e.Denied&proxy.PermWrite == 0 {
		t.Errorf("the root is %+v, %v", e, err)
	}
	for _, name := range []string{"/invoices", "/invoices/"} {
		if e, err := s.Stat(ctx, name); err != nil || !e.Dir || e.Name != "invoices" {
			t.Errorf("%s is %+v, %v", name, e, err)
		}
	}
	if bytes, files, err := s.Usage(ctx, "/"); bytes != 7 || files != 1 || err != nil {
		t.Errorf("usage: %d bytes, %d files, %v", bytes, files, err)
	}
	if _, err := s.Mkdir(ctx, "/new-bucket"); err != nil {
		t.Error(err)
	}
	if e, err := s.Stat(ctx, "/new-bucket"); err != nil || !e.Dir {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := s.Rmdir(ctx, "/new-bucket"); err != nil {
		t.Error(err)
	}
	if _, err := s.Stat(ctx, "/new-bucket"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the bucket is not deleted: %v", err)
	}
}

// Each refusal has the error of the contract, and changes nothing.
func TestRefusalsOfRoot(t *testing.T) {
	ctx, s := t.Context(), Buckets(newBuckets(t, "invoices", "reports"))
	put(t, s, "/invoices/f", "content")
	errOf := func(_ proxy.Stored, err error) error { return err }
	_, openErr := s.Open(ctx, "/invoices", proxy.Range{})
	_, openMissing := s.Open(ctx, "/missing", proxy.Range{})
	_, sumErr := s.Sum(ctx, "/invoices", "", "SHA-256", 0, -1)
	copyOf := func(from string) proxy.Source { return storetest.Runs(storetest.CopyOf(from, "", 0, -1)) }
	for _, x := range []struct {
		name      string
		got, want error
	}{
		{"put in the root", errOf(s.Put(ctx, "/f", storetest.Source(strings.NewReader("x")), proxy.Write{})), proxy.ErrDenied},
		{"put over a bucket", errOf(s.Put(ctx, "/invoices", storetest.Source(strings.NewReader("x")), proxy.Write{})), syscall.EISDIR},
		{"copy from another bucket", errOf(s.Put(ctx, "/reports/f", copyOf("/invoices/f"), proxy.Write{})), errors.ErrUnsupported},
		{"open a bucket", openErr, syscall.EISDIR},
		{"open a missing file", openMissing, fs.ErrNotExist},
		{"sum of a bucket", sumErr, syscall.EISDIR},
		{"remove a bucket", errOf(s.Remove(ctx, "/invoices")), syscall.EISDIR},
		{"time of a bucket", errOf(s.SetTime(ctx, "/invoices", time.Unix(1, 0))), syscall.EISDIR},
		{"time of the root", errOf(s.SetTime(ctx, "/", time.Unix(1, 0))), syscall.EISDIR},
		{"make a bucket again", errOf(s.Mkdir(ctx, "/invoices")), fs.ErrExist},
		{"make the root", errOf(s.Mkdir(ctx, "/")), fs.ErrExist},
		{"an invalid name", errOf(s.Mkdir(ctx, "/No_Bucket")), fs.ErrInvalid},
		{"delete a full bucket", errOf(s.Rmdir(ctx, "/invoices")), syscall.ENOTEMPTY},
		{"delete a missing bucket", errOf(s.Rmdir(ctx, "/missing")), fs.ErrNotExist},
		{"delete the root", errOf(s.Rmdir(ctx, "/")), proxy.ErrDenied},
		{"rename a bucket", errOf(s.Rename(ctx, "/reports", "/other", true)), proxy.ErrDenied},
		{"move a file to the root", errOf(s.Rename(ctx, "/invoices/f", "/f", true)), proxy.ErrDenied},
		{"rename to another bucket", errOf(s.Rename(ctx, "/invoices/f", "/reports/f", true)), errors.ErrUnsupported},
		{"rename within its bucket", errOf(s.Rename(ctx, "/invoices/f", "/invoices/g", true)), nil},
		{"copy within its bucket", errOf(s.Put(ctx, "/invoices/h", copyOf("/invoices/g"), proxy.Write{})), nil},
	} {
		if !errors.Is(x.got, x.want) {
			t.Errorf("%s: got %v, want %v", x.name, x.got, x.want)
		}
	}
	if got := list(t, s, "/invoices", ""); !slices.Equal(got, []string{"g", "h"}) {
		t.Errorf("the bucket lists %q", got)
	}
	if got := list(t, s, "/reports", ""); len(got) > 0 {
		t.Errorf("the other bucket lists %q", got)
	}
}
