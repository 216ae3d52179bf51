package e2e

import (
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A cut test has an object "old" in the bucket, and an upload over it and one to a new name, both cut short.
// Neither may change anything.
type cutTest struct {
	bridge *bridge
	bucket bucketView
}

const oldContent = "the old content stays"

func newCutTest(t *testing.T, args ...string) cutTest {
	server := real.MinIO(t)
	c := cutTest{bucket: newBucket(t, server)}
	c.bridge = startBridge(t, server, append([]string{"--log-level", "debug"}, args...)...)
	c.bucket.put("old", oldContent)
	return c
}

// unchanged checks that a cut upload left no trace.
func (c cutTest) unchanged(t *testing.T, name string) {
	t.Helper()
	want := "absent"
	if name == "old" {
		want = sumOf(t, strings.NewReader(oldContent))
	}
	if got := c.bucket.sum(name); got != want {
		t.Errorf("%s: S3 has %s, want %s", name, got, want)
	}
	if n := c.bucket.running(name); n > 0 {
		t.Errorf("%s: %d multipart uploads are left", name, n)
	}
}

// amounts are how much a client sends before it is cut: within the first buffer, the first part, and beyond.
var amounts = []int64{1, 100 * kib, 5 * mib, 8 * mib, 8*mib + 1, 20 * mib}

// TestClientKilled kills curl with SIGKILL: its data connection ends like that of a client that is done.
// The grace is the longest that auto has, because other tests may keep the dying client off the processor.
func TestClientKilled(t *testing.T) {
	real.Client(t, "curl")
	c := newCutTest(t, "--commit-grace", "100ms")
	for _, name := range []string{"old", "new"} {
		for _, amount := range amounts {
			from := c.bridge.log.mark()
			cmd := exec.Command("curl", "-sS", "-u", user+":"+password, "-T", "-", "ftp://"+c.bridge.addr+"/"+name)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(stdin, noise(name), amount); err != nil {
				t.Fatal(err)
			}
			c.bridge.log.awaitFrom(t, from, "command", "command=STOR")
			cmd.Process.Kill()
			cmd.Wait()
			stdin.Close()
			end := c.bridge.log.awaitFrom(t, from, "transfer", "command=STOR")
			if code := end["code"]; code != 426.0 && code != 425.0 {
				t.Errorf("%s killed after %d bytes: the transfer ends with %v", name, amount, code)
			}
			c.unchanged(t, name)
		}
	}
}

// TestDataReset resets the data connection; the control connection stays and can go on.
func TestDataReset(t *testing.T) {
	c := newCutTest(t)
	for _, name := range []string{"old", "new"} {
		w := c.bridge.connect(t)
		for _, amount := range amounts {
			data := w.open("STOR %s", name)
			if _, err := io.CopyN(data, noise(name), amount); err != nil {
				t.Fatal(err)
			}
			data.SetLinger(0)
			data.Close()
			w.expect(426)
			c.unchanged(t, name)
		}
		w.say(221, "QUIT")
	}
}

// TestAbort says ABOR in the middle, and after it uploads something whole over the same connection.
func TestAbort(t *testing.T) {
	c := newCutTest(t)
	w := c.bridge.connect(t)
	for _, name := range []string{"old", "new"} {
		for _, amount := range amounts {
			data := w.open("STOR %s", name)
			if _, err := io.CopyN(data, noise(name), amount); err != nil {
				t.Fatal(err)
			}
			w.say(426, "ABOR")
			w.expect(226)
			c.unchanged(t, name)
		}
	}
	data := w.open("STOR whole")
	if _, err := io.CopyN(data, noise("whole"), 9*mib); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.expect(226)
	if got, want := c.bucket.sum("whole"), sumOf(t, io.LimitReader(noise("whole"), 9*mib)); got != want {
		t.Errorf("S3 has %s, want %s", got, want)
	}
}

// TestStopCutsUploads ends the bridge with uploads that do not end by themselves.
func TestStopCutsUploads(t *testing.T) {
	c := newCutTest(t, "--drain-timeout", "50ms")
	var wires []*wire
	for _, name := range []string{"old", "new"} {
		w := c.bridge.connect(t)
		if _, err := io.CopyN(w.open("STOR %s", name), noise(name), 9*mib); err != nil {
			t.Fatal(err)
		}
		wires = append(wires, w)
	}
	if err := c.bridge.stop(); err != nil {
		t.Errorf("the bridge ends with %v", err)
	}
	for _, w := range wires {
		w.expect(426)
		w.expect(421)
	}
	c.unchanged(t, "old")
	c.unchanged(t, "new")
}

// TestStopLetsUploadsFinish ends the bridge while an upload runs that ends in time.
func TestStopLetsUploadsFinish(t *testing.T) {
	c := newCutTest(t)
	idle, w := c.bridge.connect(t), c.bridge.connect(t)
	data := w.open("STOR new")
	if _, err := io.CopyN(data, noise("new"), 9*mib); err != nil {
		t.Fatal(err)
	}
	c.bridge.cmd.Process.Signal(syscall.SIGTERM)
	idle.expect(421)
	if _, err := io.WriteString(data, "the end"); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.expect(226)
	w.expect(421)
	if err := c.bridge.cmd.Wait(); err != nil {
		t.Errorf("the bridge ends with %v", err)
	}
	want := sumOf(t, io.MultiReader(io.LimitReader(noise("new"), 9*mib), strings.NewReader("the end")))
	if got := c.bucket.sum("new"); got != want {
		t.Errorf("S3 has %s, want %s", got, want)
	}
}

// TestBridgeKilled kills the bridge itself.
func TestBridgeKilled(t *testing.T) {
	c := newCutTest(t)
	for _, name := range []string{"old", "new"} {
		if _, err := io.CopyN(c.bridge.connect(t).open("STOR %s", name), noise(name), 20*mib); err != nil {
			t.Fatal(err)
		}
	}
	c.bridge.cmd.Process.Kill()
	c.bridge.cmd.Wait()
	if got := c.bucket.sum("new"); got != "absent" {
		t.Errorf("new: S3 has %s", got)
	}
	if got, want := c.bucket.sum("old"), sumOf(t, strings.NewReader(oldContent)); got != want {
		t.Errorf("old: S3 has %s, want %s", got, want)
	}
}
