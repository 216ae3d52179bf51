package e2e

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// far returns the same server, 20 ms away, with 60 MB/s per connection.
func far(t testing.TB, s *real.S3) *real.S3 {
	slow := *s
	slow.Endpoint = "http://" + real.Slow(t, strings.TrimPrefix(s.Endpoint, "http://"), 20*time.Millisecond, 60e6)
	return &slow
}

// fetchFromAfar begins to fetch a file of so many bytes over a bridge whose S3 is far away.
func fetchFromAfar(t *testing.T, size int64) (bucketView, *wire, *net.TCPConn) {
	t.Helper()
	server := real.MinIO(t)
	view := newBucket(t, server)
	view.upload("file", size)
	w := startBridge(t, far(t, server)).connect(t)
	return view, w, w.open("RETR file")
}

// TestDownloadFromAfar is fetched in parallel, and whole.
func TestDownloadFromAfar(t *testing.T) {
	_, w, data := fetchFromAfar(t, 96*mib)
	if got, want := sumOf(t, data), sumOf(t, stream(96*mib)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	data.Close()
	w.expect(226)
}

// TestReplacedWhileItIsSent: the client gets a beginning of the old file, is told that it is no more than that, and
// sees its data connection reset.
func TestReplacedWhileItIsSent(t *testing.T) {
	view, w, data := fetchFromAfar(t, 256*mib)
	const begin = 64 * mib // more than goes over one stream
	if got, want := sumOf(t, io.LimitReader(data, begin)), sumOf(t, stream(begin)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	view.put("file", "short") // while the ranges under way come to their end, and no other is begun
	n, err := io.Copy(io.Discard, data)
	if err == nil || begin+n >= 256*mib {
		t.Errorf("%d bytes, %v; want fewer, and a reset", begin+n, err)
	}
	w.expect(426)
}
