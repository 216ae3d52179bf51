package e2e

import (
	"io"
	"strings"
	"syscall"
	"testing"
)

// TestStopCutsUploads ends the bridge with uploads that do not end by themselves.
func TestStopCutsUploads(t *testing.T) { cutTests(t, testStopCutsUploads) }

func testStopCutsUploads(t *testing.T, args ...string) {
	c := newCutTest(t, append(args, "--drain-timeout", "50ms")...)
	var wires []*wire
	for _, name := range []string{"old", "new"} {
		w := c.bridge.connect(t)
		if _, err := io.CopyN(w.open("STOR %s", name), noise(name), 20*mib); err != nil {
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
	c.bridge = c.bridge.again(t, c.bridge.addr)
	c.unchanged(t, "old", 20*mib)
	c.unchanged(t, "new", 20*mib)
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
