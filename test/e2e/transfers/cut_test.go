package transfers

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A cutTest has an object "old" in the bucket. An upload over it and one to a new name are cut. Neither may change anything, and
// both can be resumed unless that is off.
type cutTest struct {
	bridge  *harness.Server
	bucket  harness.Bucket
	resumes bool
}

// cutTests runs a test with uploads that can be resumed, and without.
func cutTests(t *testing.T, test func(t *testing.T, args ...string)) {
	t.Run("resume", func(t *testing.T) { test(t) })
	t.Run("no resume", func(t *testing.T) { test(t, "--resume", "0") })
}

func newCutTest(t *testing.T, args ...string) cutTest {
	server := real.MinIO(t)
	c := cutTest{bucket: harness.NewBucket(t, server), resumes: !slices.Contains(args, "--resume")}
	c.bridge = harness.StartServer(t, server, append([]string{"--log-level", "debug"}, args...)...)
	c.bucket.Put("old", harness.OldContent)
	return c
}

// unchanged checks that an upload that was cut after sent bytes changed nothing.
func (c cutTest) unchanged(t *testing.T, name string, sent int64) {
	t.Helper()
	want := "absent"
	if name == "old" {
		want = harness.SumOf(t, strings.NewReader(harness.OldContent))
	}
	if got := c.bucket.Sum(name); got != want {
		t.Errorf("%s: S3 has %s, want %s", name, got, want)
	}
	left := c.bucket.Uploads(name)
	switch {
	case left > 0 && !c.resumes:
		t.Errorf("%s: %d multipart uploads are left", name, left)
	case left == 0 && c.resumes && sent >= 20*harness.MiB: // of less, a reset may have lost everything
		t.Errorf("%s: nothing is left of %d bytes", name, sent)
	case left == 1:
		c.resume(t, name, sent)
	case left > 1:
		t.Errorf("%s: %d multipart uploads are left", name, left)
	}
}

// resume resumes a cut upload over a new connection, and restores the bucket after that.
func (c cutTest) resume(t *testing.T, name string, sent int64) {
	t.Helper()
	w := c.bridge.Connect(t)
	at := w.Offset(name)
	if at > sent {
		t.Fatalf("%s: %d bytes are here of %d", name, at, sent)
	}
	data := w.OpenAt(at, name)
	rest := harness.Noise(name)
	io.CopyN(io.Discard, rest, at)
	if _, err := io.CopyN(data, rest, 22*harness.MiB-at); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.Expect(226)
	w.Cmd(221, "QUIT")
	if got, want := c.bucket.Sum(name), harness.SumOf(t, io.LimitReader(harness.Noise(name), 22*harness.MiB)); got != want {
		t.Errorf("%s: resumed at %d to %s, want %s", name, at, got, want)
	}
	if n := c.bucket.Uploads(name); n > 0 {
		t.Errorf("%s: %d multipart uploads are left after it was resumed", name, n)
	}
	if name == "old" {
		c.bucket.Put(name, harness.OldContent)
	} else {
		c.bucket.Empty(name)
	}
}

// amounts are the bytes sent before the cut: within the first buffer, within the first part, and beyond.
var amounts = []int64{1, 100 * harness.KiB, 5 * harness.MiB, 8 * harness.MiB, 8*harness.MiB + 1, 20 * harness.MiB}

// TestClientKilled kills curl with SIGKILL: its data connection ends like that of a finished client. The grace is the longest of auto,
// because other tests may delay the dying client.
func TestClientKilled(t *testing.T) {
	harness.Alone(t)
	cutTests(t, testClientKilled)
}

func testClientKilled(t *testing.T, args ...string) {
	curl := real.Client(t, "curl")
	c := newCutTest(t, append(args, "--commit-grace", "100ms")...)
	for _, name := range []string{"old", "new"} {
		for _, amount := range amounts {
			from := c.bridge.Log.Mark()
			killCurl(t, c.bridge, curl, name, amount)
			end := c.bridge.Log.AwaitFrom(t, from, "transfer", "command=STOR")
			if code := end["code"]; code != 426.0 && code != 425.0 {
				t.Errorf("%s killed after %d bytes: the transfer ends with %v", name, amount, code)
			}
			c.unchanged(t, name, amount)
		}
	}
}

// TestDataReset resets the data connection; the session continues.
func TestDataReset(t *testing.T) { cutTests(t, testDataReset) }

func testDataReset(t *testing.T, args ...string) {
	c := newCutTest(t, args...)
	for _, name := range []string{"old", "new"} {
		w := c.bridge.Connect(t)
		for _, amount := range amounts {
			data := w.Open("STOR %s", name)
			if _, err := io.CopyN(data, harness.Noise(name), amount); err != nil {
				t.Fatal(err)
			}
			data.SetLinger(0)
			data.Close()
			w.Expect(426)
			c.unchanged(t, name, amount)
		}
		w.Cmd(221, "QUIT")
	}
}

// TestAbort sends ABOR in mid-upload, and then uploads a whole file over the same control connection.
func TestAbort(t *testing.T) { cutTests(t, testAbort) }

func testAbort(t *testing.T, args ...string) {
	c := newCutTest(t, args...)
	w := c.bridge.Connect(t)
	for _, name := range []string{"old", "new"} {
		for _, amount := range amounts {
			data := w.Open("STOR %s", name)
			if _, err := io.CopyN(data, harness.Noise(name), amount); err != nil {
				t.Fatal(err)
			}
			w.Cmd(426, "ABOR")
			w.Expect(226)
			c.unchanged(t, name, amount)
		}
	}
	data := w.Open("STOR whole")
	if _, err := io.CopyN(data, harness.Noise("whole"), 9*harness.MiB); err != nil {
		t.Fatal(err)
	}
	data.Close()
	w.Expect(226)
	if got, want := c.bucket.Sum("whole"), harness.SumOf(t, io.LimitReader(harness.Noise("whole"), 9*harness.MiB)); got != want {
		t.Errorf("S3 has %s, want %s", got, want)
	}
}

// TestServerKilled kills s3ftpd itself.
func TestServerKilled(t *testing.T) {
	c := newCutTest(t)
	for _, name := range []string{"old", "new"} {
		if _, err := io.CopyN(c.bridge.Connect(t).Open("STOR %s", name), harness.Noise(name), 20*harness.MiB); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"old", "new"} {
		harness.Until(t, "a part in S3", func() bool { return c.bucket.PartBytes(name) > 0 })
	}
	c.bridge.Kill()
	c.bridge = c.bridge.Again(t, c.bridge.Addr)
	c.unchanged(t, "old", 20*harness.MiB)
	c.unchanged(t, "new", 20*harness.MiB)
}
