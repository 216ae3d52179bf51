package e2e

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A cut test has an object "old" in the bucket, and an upload over it and one to a new name, both cut short.
// Neither may change anything, and what came of them can be gone on with unless that is off.
type cutTest struct {
	bridge  *bridge
	bucket  bucketView
	resumes bool
}

const oldContent = "the old content stays"

// cutTests runs a test with uploads that can be resumed, and without.
func cutTests(t *testing.T, test func(t *testing.T, args ...string)) {
	t.Run("resume", func(t *testing.T) { test(t) })
	t.Run("no resume", func(t *testing.T) { test(t, "--resume", "0") })
}

func newCutTest(t *testing.T, args ...string) cutTest {
	server := real.MinIO(t)
	c := cutTest{bucket: newBucket(t, server), resumes: !slices.Contains(args, "--resume")}
	c.bridge = startBridge(t, server, append([]string{"--log-level", "debug"}, args...)...)
	c.bucket.put("old", oldContent)
	return c
}

// unchanged checks that a cut upload, of which so much was sent, changed nothing.
func (c cutTest) unchanged(t *testing.T, name string, sent int64) {
	t.Helper()
	want := "absent"
	if name == "old" {
		want = sumOf(t, strings.NewReader(oldContent))
	}
	if got := c.bucket.sum(name); got != want {
		t.Errorf("%s: S3 has %s, want %s", name, got, want)
	}
	left := c.bucket.running(name)
	switch {
	case left > 0 && !c.resumes:
		t.Errorf("%s: %d multipart uploads are left", name, left)
	case left == 0 && c.resumes && sent >= 20*mib: // of less, a reset may have lost too much on the way
		t.Errorf("%s: nothing is left of %d bytes", name, sent)
	case left == 1:
		c.goOn(t, name, sent)
	case left > 1:
		t.Errorf("%s: %d multipart uploads are left", name, left)
	}
}

// goOn goes on where a cut upload stands, over a new connection, and after that makes all as it was.
func (c cutTest) goOn(t *testing.T, name string, sent int64) {
	t.Helper()
	w := c.bridge.connect(t)
	at := w.stands(name)
	if at > sent {
		t.Fatalf("%s: %d bytes are here of %d", name, at, sent)
	}
	data := w.openAt(at, name)
	rest := noise(name)
	io.CopyN(io.Discard, rest, at)
	if _, err := io.CopyN(data, rest, 22*mib-at); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.expect(226)
	w.say(221, "QUIT")
	if got, want := c.bucket.sum(name), sumOf(t, io.LimitReader(noise(name), 22*mib)); got != want {
		t.Errorf("%s: resumed at %d to %s, want %s", name, at, got, want)
	}
	if n := c.bucket.running(name); n > 0 {
		t.Errorf("%s: %d multipart uploads are left after it was resumed", name, n)
	}
	if name == "old" {
		c.bucket.put(name, oldContent)
	} else {
		c.bucket.empty(name)
	}
}

// amounts are how much a client sends before it is cut: within the first buffer, the first part, and beyond.
var amounts = []int64{1, 100 * kib, 5 * mib, 8 * mib, 8*mib + 1, 20 * mib}

// TestClientKilled kills curl with SIGKILL: its data connection ends like that of a client that is done.
// The grace is the longest that auto has, because other tests may keep the dying client off the processor.
func TestClientKilled(t *testing.T) { cutTests(t, testClientKilled) }

func testClientKilled(t *testing.T, args ...string) {
	curl := real.Client(t, "curl")
	c := newCutTest(t, append(args, "--commit-grace", "100ms")...)
	for _, name := range []string{"old", "new"} {
		for _, amount := range amounts {
			from := c.bridge.log.mark()
			killCurl(t, c.bridge, curl, name, amount)
			end := c.bridge.log.awaitFrom(t, from, "transfer", "command=STOR")
			if code := end["code"]; code != 426.0 && code != 425.0 {
				t.Errorf("%s killed after %d bytes: the transfer ends with %v", name, amount, code)
			}
			c.unchanged(t, name, amount)
		}
	}
}

// TestDataReset resets the data connection; the control connection stays and can go on.
func TestDataReset(t *testing.T) { cutTests(t, testDataReset) }

func testDataReset(t *testing.T, args ...string) {
	c := newCutTest(t, args...)
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
			c.unchanged(t, name, amount)
		}
		w.say(221, "QUIT")
	}
}

// TestAbort says ABOR in the middle, and after it uploads something whole over the same connection.
func TestAbort(t *testing.T) { cutTests(t, testAbort) }

func testAbort(t *testing.T, args ...string) {
	c := newCutTest(t, args...)
	w := c.bridge.connect(t)
	for _, name := range []string{"old", "new"} {
		for _, amount := range amounts {
			data := w.open("STOR %s", name)
			if _, err := io.CopyN(data, noise(name), amount); err != nil {
				t.Fatal(err)
			}
			w.say(426, "ABOR")
			w.expect(226)
			c.unchanged(t, name, amount)
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

// TestBridgeKilled kills the bridge itself.
func TestBridgeKilled(t *testing.T) {
	c := newCutTest(t)
	for _, name := range []string{"old", "new"} {
		if _, err := io.CopyN(c.bridge.connect(t).open("STOR %s", name), noise(name), 20*mib); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"old", "new"} {
		until(t, "a part in S3", func() bool { return c.bucket.parts(name) > 0 })
	}
	c.bridge.kill()
	c.bridge = c.bridge.again(t, c.bridge.addr)
	c.unchanged(t, "old", 20*mib)
	c.unchanged(t, "new", 20*mib)
}
