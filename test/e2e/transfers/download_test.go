package transfers

import (
	"io"
	"net"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// fetchFromAfar begins to download a file of that many bytes with S3 far away.
func fetchFromAfar(t *testing.T, size int64) (harness.Bucket, *harness.Client, *net.TCPConn) {
	t.Helper()
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	view.Upload("file", size)
	w := harness.StartServer(t, harness.Far(t, server)).Connect(t)
	return view, w, w.Open("RETR file")
}

// TestDownloadFromAfar: a file is fetched in parallel ranges, and exact.
func TestDownloadFromAfar(t *testing.T) {
	_, w, data := fetchFromAfar(t, 96*harness.MiB)
	if got, want := harness.SumOf(t, data), harness.SumOf(t, harness.Stream(96*harness.MiB)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	data.Close()
	w.Expect(226)
}

// TestReplacedWhileItIsSent: the client gets the beginning of the old file, a reply that says so, and a reset of its data connection.
func TestReplacedWhileItIsSent(t *testing.T) {
	view, w, data := fetchFromAfar(t, 256*harness.MiB)
	const begin = 64 * harness.MiB // more than one stream sends
	if got, want := harness.SumOf(t, io.LimitReader(data, begin)), harness.SumOf(t, harness.Stream(begin)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	view.Put("file", "short") // ranges in flight are completed, and no other begins
	n, err := io.Copy(io.Discard, data)
	if err == nil || begin+n >= 256*harness.MiB {
		t.Errorf("%d bytes, %v; want fewer, and a reset", begin+n, err)
	}
	w.Expect(426)
}
