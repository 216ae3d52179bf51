package netns

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// kills returns how many clients a test kills. docs/killed-clients.md has the figures of S3FTPD_TEST_KILLS=full, which kills more.
func kills(few, full int) int {
	if os.Getenv("S3FTPD_TEST_KILLS") == "full" {
		return full
	}
	return few
}

// TestClientKillsBusy kills clients while three programs keep the two processors busy, with --commit-grace auto.
func TestClientKillsBusy(t *testing.T) {
	k := newKilling(t)
	k.busy(3)
	k.kill(kills(60, 2000), "python3")
	k.none()
}

// TestClientKillsThrottled kills clients that may run for 20 ms of every 100: the kernel may stop one for 80 ms between the ends of
// its two connections. The grace of a small file is shorter, so published files are only counted.
func TestClientKillsThrottled(t *testing.T) {
	procs := throttled(t)
	k := newKilling(t)
	k.busy(3)
	k.kill(kills(30, 300), "python3", procs)
	k.count()
}

// TestClientKillsFar kills clients with a round trip of 20 ms.
func TestClientKillsFar(t *testing.T) {
	harness.Alone(t)
	s := newStorage(t)
	client, server := newHost(t, "client"), newHost(t, "server")
	farLink(client, "10.0.0.1/24", server, "10.0.0.2/24", 10*time.Millisecond)
	k := killing{t, s.bridge(server), s.Bucket, "10.0.0.2", "21", 0}
	k.kill(kills(50, 500), "ip", "netns", "exec", client.name, "python3")
	k.none()
}

// A killing is a server and the clients that a test kills in mid-upload.
type killing struct {
	t          *testing.T
	bridge     *harness.Server
	bucket     harness.Bucket
	host, port string
	killed     int
}

func newKilling(t *testing.T) *killing {
	t.Helper()
	harness.Alone(t)
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server)
	host, port, _ := net.SplitHostPort(b.Addr)
	return &killing{t, b, view, host, port, 0}
}

// busy runs n programs that keep a processor busy each, until the test ends, and for at most ten minutes.
func (k *killing) busy(n int) {
	k.t.Helper()
	for range n {
		loop := exec.Command(real.Client(k.t, "python3"), "-c", "import time\nend = time.monotonic() + 600\nwhile time.monotonic() < end: pass")
		if err := loop.Start(); err != nil {
			k.t.Fatal(err)
		}
		k.t.Cleanup(func() {
			loop.Process.Kill()
			loop.Wait()
		})
	}
}

// kill runs the senders, by python behind a command line; options go to the script.
func (k *killing) kill(n int, python ...string) {
	k.t.Helper()
	var procs []string
	if last := python[len(python)-1]; filepath.IsAbs(last) {
		procs, python = []string{last}, python[:len(python)-1]
	}
	script, err := filepath.Abs("testdata/killed_senders.py")
	if err != nil {
		k.t.Fatal(err)
	}
	seed := time.Now().UnixNano() % 1e6
	k.t.Logf("seed %d", seed)
	args := append(python, script, k.host, k.port, strconv.Itoa(n), fmt.Sprint(seed))
	cmd := exec.CommandContext(k.t.Context(), real.Client(k.t, python[0]), append(args, procs...)[1:]...)
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("%v: %s", err, out)
	}
	k.killed = n
	harness.Until(k.t, "the end of all uploads", func() bool { return len(k.bridge.Log.Entries(0, "transfer")) == n })
}

// count reports the published files.
func (k *killing) count() (published int) {
	k.t.Helper()
	published = len(k.bucket.Keys(""))
	k.t.Logf("of %d uploads whose client was killed, %d were published", k.killed, published)
	return published
}

func (k *killing) none() {
	k.t.Helper()
	if n := k.count(); n > 0 {
		k.t.Errorf("%d uploads of killed clients were published: %q", n, k.bucket.Keys(""))
	}
}

// throttled makes a cgroup with a fifth of a processor, and returns its cgroup.procs.
func throttled(t *testing.T) (procs string) {
	t.Helper()
	why := "no cgroup has the limit of processors"
	for _, kind := range []struct {
		root  string
		limit [][2]string
	}{
		{"/sys/fs/cgroup", [][2]string{{"cpu.max", "20000 100000"}}},
		{"/sys/fs/cgroup/cpu", [][2]string{{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", "20000"}}},
	} {
		dir := filepath.Join(kind.root, fmt.Sprintf("s3ftpd-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			why = err.Error()
			continue
		}
		t.Cleanup(func() { harness.Until(t, "the end of "+dir, func() bool { return os.Remove(dir) == nil }) })
		procs := filepath.Join(dir, "cgroup.procs")
		_, err := os.Stat(procs) // absent if it is not a cgroup
		for _, l := range kind.limit {
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, l[0]), []byte(l[1]), 0o644)
			}
		}
		if err == nil {
			return procs
		}
		why = err.Error()
	}
	t.Skip("no cgroup can be made to limit clients: ", why)
	return ""
}
