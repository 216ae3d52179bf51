package load

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestFloodOfWrongLogins: 300 clients with wrong passwords cost a running download at most a fifth of its rate. They come from a
// hundred loopback addresses, which are never banned, and more of them wait than the queue for hashing takes.
//
// The rate in a second of the flood is compared with the mean of a second before and one after it. Other programs of the machine take
// more from some seconds than from others, so the median of many such ratios is judged: rounds are added until it is high enough, at
// least minRounds and at most maxRounds. The clients of the flood have the lowest priority, because their own CPU time is not part of
// the server's cost.
func TestFloodOfWrongLogins(t *testing.T) {
	const minRounds, maxRounds, enough = 7, 30, .8
	if testing.Short() {
		t.Skip("measures for half a minute")
	}
	harness.Alone(t)
	b := startWithHash(t)
	w := b.Connect(t)
	d := download{data: w.Open("RETR %s", zerosName)}
	go io.CopyBuffer(counter{&d.bytes}, struct{ io.Reader }{d.data}, make([]byte, 256*harness.KiB))
	open := b.descriptors(t)
	var ratios []float64
	before := d.rate()
	for len(ratios) < maxRounds && (len(ratios) < minRounds || median(ratios) < enough) {
		end := b.flood(t)
		during := d.rate()
		end()
		b.back(t, open)
		after := d.rate()
		ratios = append(ratios, 2*during/(before+after))
		before = after
	}
	t.Logf("the download keeps %.2f of its rate, the median of %.2f; the last without a flood is %.0f MB/s", median(ratios), ratios, before/1e6)
	if median(ratios) < enough {
		t.Errorf("a flood of wrong logins leaves a download %.2f of its rate, want %.2f at least", median(ratios), enough)
	}
	if !strings.Contains(strings.Join(b.Log.Since(0), "\n"), "wrong password") {
		t.Error("no password of the flood was hashed")
	}
}

// startWithHash runs s3ftpd with a users file that has the hash of a password, and an S3 server whose file never ends.
func startWithHash(t *testing.T) server {
	t.Helper()
	store := httptest.NewServer(http.HandlerFunc(serveZeros))
	t.Cleanup(store.Close)
	hash := strings.TrimSpace(harness.Run(t, t.TempDir(), harness.Password+"\n", harness.Program(), "passwd"))
	users := filepath.Join(t.TempDir(), "users.yaml")
	text := fmt.Sprintf("users:\n  - {name: %s, password: %q}\n", harness.User, hash)
	if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s3, addr := &real.S3{Endpoint: store.URL, AccessKey: "key", SecretKey: "secret", Region: "us-east-1"}, real.FreeAddr(t)
	return server{harness.Start(t, addr, s3.Env(), "serve", "--ftp", addr, "--endpoint", s3.Endpoint, "--bucket", harness.BucketName,
		"--users", users, "--log-format", "json")}
}

// The file of serveZeros. It is too large to be downloaded while a test runs.
const (
	zerosName = "zeros"
	zerosSize = 1 << 45
)

// serveZeros is an S3 server with one file.
func serveZeros(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/"+zerosName) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	first, last := int64(0), int64(zerosSize-1)
	w.Header().Set("ETag", `"zeros"`)
	w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
	status := http.StatusOK
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); n > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, int64(zerosSize)))
		status = http.StatusPartialContent
	}
	w.Header().Set("Content-Length", strconv.FormatInt(last-first+1, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	zeros := make([]byte, 512*harness.KiB)
	for left := last - first + 1; left > 0; left -= int64(len(zeros)) {
		if _, err := w.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
			return
		}
	}
}

// A download is one that runs.
type download struct {
	data  io.Reader
	bytes atomic.Int64
}

// rate returns the bytes per second, measured for a second.
func (d *download) rate() float64 {
	begin, n := time.Now(), d.bytes.Load()
	<-time.After(time.Second)
	return float64(d.bytes.Load()-n) / time.Since(begin).Seconds()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[len(sorted)/2] + sorted[(len(sorted)-1)/2]) / 2
}

// floodAddress is the environment variable that makes the test program a flood of wrong logins to this address.
const floodAddress = "S3FTPD_TEST_FLOOD"

// flood starts a flood of wrong logins in a process of its own, and waits until the queue for hashing is full. It returns a function
// that ends the flood.
func (b server) flood(t *testing.T) (end func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mark := b.Log.Mark()
	cmd := exec.Command("nice", "-n", "19", program)
	cmd.Env = append(os.Environ(), floodAddress+"="+b.Addr)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.Log.AwaitFrom(t, mark, "login refused", "code=421", "err=too many logins at the same time")
	return func() {
		stdin.Close()
		cmd.Wait()
	}
}

// floodFrom logs in with wrong passwords, with 300 clients at a time, until standard input ends.
func floodFrom(addr string) {
	b := server{&harness.Server{Addr: addr}}
	for i := range 300 {
		go func() {
			for {
				if b.guess(i) != nil {
					<-time.After(100 * time.Millisecond)
				}
			}
		}()
	}
	io.Copy(io.Discard, os.Stdin)
}

// guess logs in with wrong passwords until the server closes the connection. The error is that of connecting.
func (b server) guess(i int) error {
	conn, err := b.dialFrom(i)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := textproto.NewConn(conn)
	for _, _, err = c.ReadResponse(220); err == nil; err = ask(c, 530, "PASS wrong") {
		if err = ask(c, 331, "USER %s", harness.User); err != nil {
			break
		}
	}
	return nil
}
