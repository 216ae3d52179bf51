package load

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(floodAddress); addr != "" {
		floodFrom(addr)
		return
	}
	harness.Main(m)
}

// A server is a running s3ftpd with access to figures of its process.
type server struct{ *harness.Server }

func startServer(t testing.TB, store *real.S3, args ...string) server {
	t.Helper()
	return server{harness.StartServer(t, store, args...)}
}

// stat returns a figure of /proc/PID/status; sizes are in KiB.
func (b server) stat(t testing.TB, name string) int {
	t.Helper()
	return b.Process().Status(t, name)
}

// descriptors returns the open descriptors of s3ftpd without its connections to S3, of which it keeps some idle.
func (b server) descriptors(t testing.TB) (open []string) {
	t.Helper()
	toS3 := b.socketsToS3(t)
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", b.Cmd.Process.Pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("no descriptors: %v", err)
	}
	for _, fd := range fds {
		if what, err := os.Readlink(fd); err == nil && !slices.Contains(toS3, what) {
			open = append(open, what)
		}
	}
	return open
}

// socketsToS3 returns the sockets of this machine that are connected to S3, as descriptors name them.
func (b server) socketsToS3(t testing.TB) (sockets []string) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	args := b.Cmd.Args
	var port int
	fmt.Sscan(args[slices.Index(args, "--endpoint")+1][len("http://127.0.0.1:"):], &port)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); strings.HasSuffix(f[2], fmt.Sprintf(":%04X", port)) {
			sockets = append(sockets, "socket:["+f[9]+"]")
		}
	}
	return sockets
}

// back waits until s3ftpd has no more open descriptors than before.
func (b server) back(t testing.TB, before []string) {
	t.Helper()
	var now []string
	defer func() {
		if t.Failed() {
			t.Logf("before: %v\nnow: %v", before, now)
		}
	}()
	harness.Until(t, "descriptors are back", func() bool {
		now = b.descriptors(t)
		return len(now) <= len(before)
	})
}

// awaitSessionEnds waits until all sessions have ended.
func (b server) awaitSessionEnds(t testing.TB) {
	t.Helper()
	harness.Until(t, "all sessions have ended", func() bool {
		open := 0
		for _, line := range b.Log.Since(0) {
			switch {
			case strings.Contains(line, `"msg":"session begins"`):
				open++
			case strings.Contains(line, `"msg":"session ends"`):
				open--
			}
		}
		return open == 0
	})
}
