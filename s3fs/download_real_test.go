package s3fs

import (
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A breaker forwards requests, and truncates the bodies of the answers to GET.
type breaker struct {
	*s3http.Client
	after int64  // bytes of each body; 0 = it does not
	then  func() // is called when a body has broken off, or is nil
	gets  atomic.Int32
}

func newBreaker() *breaker {
	return &breaker{Client: new(features).newHTTPClient(s3http.Config{})}
}

func (b *breaker) Do(r *http.Request) (*http.Response, error) {
	resp, err := b.Client.Do(r)
	if err == nil && r.Method == "GET" && r.URL.Query().Get("list-type") == "" {
		b.gets.Add(1)
		if b.after > 0 {
			resp.Body = &brokenBody{resp.Body, b.after, b.then}
		}
	}
	return resp, err
}

type brokenBody struct {
	io.ReadCloser
	left int64
	then func()
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.ReadCloser.Close()
		if b.then != nil {
			b.then()
		}
		return 0, syscall.ECONNRESET
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// realServices calls test with a breaker's client of each real service, and an empty bucket "real".
func realServices(t *testing.T, test func(t *testing.T, b *breaker, f *FS)) {
	server := real.MinIO(t)
	embedded := httptest.NewServer(embeddedStore(t, signed))
	t.Cleanup(embedded.Close)
	for name, s := range map[string]Config{
		"MinIO":    {Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)},
		"embedded": {Endpoint: embedded.URL, Credentials: keys("demo", "demo-secret")},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBreaker()
			s.HTTPClient = b
			c := dial(t, s)
			makeBucket(t, c, "real")
			test(t, b, NewFS(c, Options{Bucket: "real", PartSize: minPart}))
		})
	}
}

func sumOfAll(t *testing.T, r io.Reader) (sum [sha256.Size]byte, n int64, err error) {
	t.Helper()
	h := sha256.New()
	n, err = io.Copy(h, r)
	return [sha256.Size]byte(h.Sum(nil)), n, err
}

// sizesOfUploads are the sizes of an upload with PutObject and of one in parts.
var sizesOfUploads = map[string]int64{"one piece": minPart - 1, "parts": 3*minPart + 1}

// Real services store a checksum of uploads that a download can verify.
func TestRealChecksumsAreVerified(t *testing.T) {
	realServices(t, func(t *testing.T, _ *breaker, f *FS) {
		for name, size := range sizesOfUploads {
			if _, err := f.Put(t.Context(), "/f", storetest.Source(letters("v", size)), proxy.Write{}); err != nil {
				t.Fatal(err)
			}
			d, err := f.open(t.Context(), "/f", proxy.Range{})
			if err != nil {
				t.Fatal(err)
			}
			if d.verifier == nil {
				t.Fatalf("%s: no checksum to verify", name)
			}
			if _, err := io.Copy(io.Discard, d); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			d.Close()
			d, err = f.open(t.Context(), "/f", proxy.Range{})
			if err != nil {
				t.Fatal(err)
			}
			d.verifier.want++
			if _, err := io.Copy(io.Discard, d); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s, with another checksum: %v", name, err)
			}
			d.Close()
		}
	})
}

// A download from a real service continues after each truncated answer.
func TestRealDownloadContinues(t *testing.T) {
	realServices(t, func(t *testing.T, b *breaker, f *FS) {
		const size = 3*minPart + 1
		if _, err := f.Put(t.Context(), "/f", storetest.Source(letters("g", size)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		b.after = size/3 - 1
		b.gets.Store(0)
		for _, offset := range []int64{0, 12345} {
			r, err := f.Open(t.Context(), "/f", proxy.Range{Offset: offset})
			if err != nil {
				t.Fatal(err)
			}
			want := letters("g", size)
			io.CopyN(io.Discard, want, offset)
			wantSum, wantSize, _ := sumOfAll(t, want)
			if sum, n, err := sumOfAll(t, r); err != nil || sum != wantSum || n != wantSize {
				t.Errorf("from %d: %d bytes with SHA-256 %x, %v; want %d with %x", offset, n, sum, err, wantSize, wantSum)
			}
			r.Close()
		}
		if n := b.gets.Load(); n != 4+3 {
			t.Errorf("%d requests, want 4 for all of it, and 3 for almost all", n)
		}
	})
}

// An object of a real service is replaced or deleted during a download, before its rest is requested.
func TestRealObjectReplacedDuringDownload(t *testing.T) {
	for name, change := range map[string]func(f *FS, t *testing.T) error{
		"replaced": func(f *FS, t *testing.T) error {
			return errOf(f.Put(t.Context(), "/f", storetest.Source(letters("n", 2*minPart)), proxy.Write{}))
		},
		"deleted": func(f *FS, t *testing.T) error { return errOf(f.Remove(t.Context(), "/f")) },
	} {
		realServices(t, func(t *testing.T, b *breaker, f *FS) {
			if _, err := f.Put(t.Context(), "/f", storetest.Source(letters("o", 2*minPart)), proxy.Write{}); err != nil {
				t.Fatal(err)
			}
			b.after = minPart
			b.then = func() { // without a reader: MinIO lets a writer wait for readers
				if err := change(f, t); err != nil {
					t.Error(err)
				}
			}
			r, err := f.Open(t.Context(), "/f", proxy.Range{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			wantSum, _, _ := sumOfAll(t, letters("o", minPart))
			if sum, n, err := sumOfAll(t, r); !errors.Is(err, proxy.ErrStale) || n != minPart || sum != wantSum {
				t.Errorf("%s: %d bytes with SHA-256 %x, %v; want %d with %x, and ErrStale", name, n, sum, err, minPart, wantSum)
			}
		})
	}
}

// A download from a real service is faster with several connections if each of them is slow.
func TestRealDownloadInParallel(t *testing.T) {
	const size = 96*mib + 1
	server := real.MinIO(t)
	service := Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)}
	near := dial(t, service)
	makeBucket(t, near, "real")
	if _, err := NewFS(near, Options{Bucket: "real"}).Put(t.Context(), "/f", storetest.Source(letters("a", size)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	b := newBreaker()
	service.HTTPClient = b
	service.Endpoint = "http://" + real.Slow(t, strings.TrimPrefix(server.Endpoint, "http://"), 20*time.Millisecond, 60e6)
	f := NewFS(dial(t, service), Options{Bucket: "real"})
	wantSum, _, _ := sumOfAll(t, letters("a", size))
	for name, after := range map[string]int64{"whole": 0, "broken": 5 * mib} {
		b.after = after
		b.gets.Store(0)
		r, err := f.Open(t.Context(), "/f", proxy.Range{})
		if err != nil {
			t.Fatal(err)
		}
		sum, n, err := sumOfAll(t, r)
		r.Close()
		if err != nil || n != size || sum != wantSum {
			t.Errorf("%s: %d bytes with SHA-256 %x, %v; want %x", name, n, sum, err, wantSum)
		}
		if b.gets.Load() < 2 {
			t.Errorf("%s: nothing was fetched ahead", name)
		}
		allFree(t, f.budget)
	}
}
