package transfers

import (
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// TestStopCutsUploads stops s3ftpd during uploads that do not end by themselves.
func TestStopCutsUploads(t *testing.T) { cutTests(t, testStopCutsUploads) }

func testStopCutsUploads(t *testing.T, args ...string) {
	c := newCutTest(t, append(args, "--drain-timeout", "50ms")...)
	var wires []*harness.Client
	for _, name := range []string{"old", "new"} {
		w := c.bridge.Connect(t)
		if _, err := io.CopyN(w.Open("STOR %s", name), harness.Noise(name), 20*harness.MiB); err != nil {
			t.Fatal(err)
		}
		wires = append(wires, w)
	}
	if err := c.bridge.Stop(); err != nil {
		t.Errorf("the bridge ends with %v", err)
	}
	for _, w := range wires {
		w.Expect(426)
		w.Expect(421)
	}
	c.bridge = c.bridge.Again(t, c.bridge.Addr)
	c.unchanged(t, "old", 20*harness.MiB)
	c.unchanged(t, "new", 20*harness.MiB)
}

// TestStopLetsUploadsFinish stops s3ftpd during an upload that ends in time.
func TestStopLetsUploadsFinish(t *testing.T) {
	c := newCutTest(t)
	idle, w := c.bridge.Connect(t), c.bridge.Connect(t)
	data := w.Open("STOR new")
	if _, err := io.CopyN(data, harness.Noise("new"), 9*harness.MiB); err != nil {
		t.Fatal(err)
	}
	c.bridge.Cmd.Process.Signal(syscall.SIGTERM)
	idle.Expect(421)
	if _, err := io.WriteString(data, "the end"); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.Expect(226)
	w.Expect(421)
	if err := c.bridge.Cmd.Wait(); err != nil {
		t.Errorf("the bridge ends with %v", err)
	}
	want := harness.SumOf(t, io.MultiReader(io.LimitReader(harness.Noise("new"), 9*harness.MiB), strings.NewReader("the end")))
	if got := c.bucket.Sum("new"); got != want {
		t.Errorf("S3 has %s, want %s", got, want)
	}
}
