package sftp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A traffic counts what an S3 server is asked for.
type traffic struct {
	http.Handler
	copies, sent atomic.Int64 // requests that copy, and bytes of bodies
}

// ServeHTTP implements http.Handler.
func (c *traffic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "" {
		c.copies.Add(1)
	} else if r.Method == http.MethodPut {
		c.sent.Add(r.ContentLength)
	}
	c.Handler.ServeHTTP(w, r)
}

// copy-data of a whole file, as OpenSSH's cp sends it, sends no bytes to S3. After a WRITE, or for a range, at most 5 MiB at each border
// are read and sent. Once parts have been sent with checksums, all of the range is.
func TestCopyDataOnS3(t *testing.T) {
	demo, err := s3demo.Open(t.TempDir(), s3demo.Options{Keys: map[string]string{"demo": "demo-secret"}})
	if err != nil {
		t.Fatal(err)
	}
	defer demo.Close()
	counted := &traffic{Handler: demo.Handler()}
	embedded := httptest.NewServer(counted)
	defer embedded.Close()
	server := &real.S3{Endpoint: embedded.URL, AccessKey: "demo", SecretKey: "demo-secret", Region: "us-east-1"}
	bucket := "copies"
	if _, err := server.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	config := s3fs.Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: server.Client().Options().Credentials}
	client, err := s3fs.NewClient(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	store := s3fs.NewFS(client, s3fs.Options{Bucket: bucket})
	const mib = 1 << 20
	content := strings.Repeat("0123456789abcdef", 12*mib/16)
	if _, err := store.Put(t.Context(), "/f", storetest.Source(strings.NewReader(content)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		written          string
		offset, length   int64
		copies, mostSent int64
	}{
		"whole":                 {"", 0, 0, 1, 0},
		"range":                 {"", 7, 10 * mib, 1, 0},
		"behind written bytes":  {"before", 0, 0, 1, 5*mib + 6},
		"short range":           {"", 7, 4 * mib, 0, 4 * mib},
		"short range at border": {"before", 12*mib - 3, 0, 0, 9},
		"behind streamed bytes": {strings.Repeat("streamed", 9*mib/8), 1, 0, 0, 21*mib + 1024},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, func(_ *Server, a *proxy.Account) { a.Store = store })
			defer c.close()
			handle := func(path string, flags int) string {
				a := c.await(c.request(packet.Open, path, flags, 0))
				return strings.TrimPrefix(a.String(), "HANDLE ")
			}
			ok := func(id uint32) {
				t.Helper()
				if a := c.await(id).String(); a != "OK" {
					t.Fatal(a)
				}
			}
			counted.copies.Store(0)
			counted.sent.Store(0)
			from, to := handle("/f", packet.FlagRead), handle("/g", packet.FlagWrite|packet.FlagCreate|packet.FlagTrunc)
			for offset := 0; offset < len(x.written); offset += 128 << 10 {
				ok(c.request(packet.Write, to, int64(offset), x.written[offset:min(offset+128<<10, len(x.written))]))
			}
			ok(c.request(packet.Extended, "copy-data", from, x.offset, x.length, to, int64(len(x.written))))
			ok(c.request(packet.Close, to))
			ok(c.request(packet.Close, from))
			want := content[x.offset:]
			if x.length > 0 {
				want = want[:x.length]
			}
			r, err := store.Open(t.Context(), "/g", proxy.Range{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if err != nil || string(got) != x.written+want {
				t.Errorf("%d bytes, %v; want %d", len(got), err, len(x.written)+len(want))
			}
			if copies, sent := counted.copies.Load(), counted.sent.Load(); copies != x.copies || sent > x.mostSent {
				t.Errorf("%d copies and %d bytes sent, want %d and at most %d", copies, sent, x.copies, x.mostSent)
			} else {
				t.Logf("%d copies, %d bytes sent", copies, sent)
			}
		})
	}
}
