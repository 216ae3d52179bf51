package s3fs

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A listener forwards requests, and reports when a body fails.
type listener struct {
	*s3http.Client
	failed func(error)
}

func (l *listener) Do(r *http.Request) (*http.Response, error) {
	resp, err := l.Client.Do(r)
	if err == nil {
		resp.Body = heardBody{resp.Body, l.failed}
	}
	return resp, err
}

type heardBody struct {
	io.ReadCloser
	failed func(error)
}

func (b heardBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.failed(err)
	}
	return n, err
}

// A real service is stopped during a download, and continued once the silence is detected.
func TestRealSilence(t *testing.T) {
	const size = 64*mib + 1 // far more than the kernel keeps for a connection
	server := real.MinIO(t)
	near := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, near, "real")
	if _, err := NewFS(near, Options{Bucket: "real"}).Put(t.Context(), "/f", storetest.Source(letters("s", size)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	var silences atomic.Int32
	l := &listener{new(features).newHTTPClient(s3http.Config{Timeout: time.Second}), func(err error) {
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			silences.Add(1)
		}
		server.Process.Signal(syscall.SIGCONT)
	}}
	c := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey), HTTPClient: l})
	r, err := NewFS(c, Options{Bucket: "real"}).Open(t.Context(), "/f", proxy.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := server.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer server.Process.Signal(syscall.SIGCONT)
	want, _, _ := sumOfAll(t, letters("s", size))
	if sum, n, err := sumOfAll(t, r); err != nil || n != size || sum != want {
		t.Errorf("%d bytes with SHA-256 %x, %v; want %d with %x", n, sum, err, size, want)
	}
	if silences.Load() == 0 {
		t.Error("the silence was not detected")
	}
}
