package transfers

import (
	"io"
	"net"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// fetchFromAfar begins to fetch a file of so many bytes over a bridge whose S3 is far away.
func fetchFromAfar(t *testing.T, size int64) (harness.Bucket, *harness.Client, *net.TCPConn) {
	t.Helper()
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	view.Upload("file", size)
	w := harness.StartServer(t, harness.Far(t, server)).Connect(t)
	return view, w, w.Open("RETR file")
}

// TestDownloadFromAfar is fetched in parallel, and whole.
func TestDownloadFromAfar(t *testing.T) {
	_, w, data := fetchFromAfar(t, 96*harness.MiB)
	if got, want := harness.SumOf(t, data), harness.SumOf(t, harness.Stream(96*harness.MiB)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	data.Close()
	w.Expect(226)
}

// TestReplacedWhileItIsSent: the client gets a beginning of the old file, is told that it is no more than that, and
// sees its data connection reset.
func TestReplacedWhileItIsSent(t *testing.T) {
	view, w, data := fetchFromAfar(t, 256*harness.MiB)
	const begin = 64 * harness.MiB // more than goes over one stream
	if got, want := harness.SumOf(t, io.LimitReader(data, begin)), harness.SumOf(t, harness.Stream(begin)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	view.Put("file", "short") // while the ranges under way come to their end, and no other is begun
	n, err := io.Copy(io.Discard, data)
	if err == nil || begin+n >= 256*harness.MiB {
		t.Errorf("%d bytes, %v; want fewer, and a reset", begin+n, err)
	}
	w.Expect(426)
}
