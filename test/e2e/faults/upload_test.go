package faults

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A faulty server has a FaultProxy between itself and S3. The test reads the bucket without the proxy.
type faulty struct {
	proxy  *harness.FaultProxy
	bridge *harness.Server
	bucket harness.Bucket
}

func newFaulty(t *testing.T, args ...string) faulty {
	server := real.MinIO(t)
	f := faulty{bucket: harness.NewBucket(t, server), proxy: harness.NewFaultProxy(t, server)}
	args = append([]string{"--s3-timeout", "2s", "--part-size", "5MiB", "--log-level", "debug"}, args...)
	f.bridge = harness.StartServer(t, &f.proxy.S3, args...)
	return f
}

// The expected states of the bucket after a fault.
const (
	fresh  = "the new content"
	before = "what was there before"
)

// An uploadFault is a fault in an upload, with the expected result.
type uploadFault struct {
	verb  string // empty = STOR
	size  int64  // sent
	base  int64  // size of the object before, 0 = none
	rules []rule
	code  int
	holds string
	left  bool // the upload can be resumed
	stray int  // empty multipart uploads that remain because their IDs are unknown; anyNumber = however many
}

const anyNumber = -1

func (f faulty) upload(t *testing.T, place string, c uploadFault) {
	u := &faultyUpload{faulty: f, uploadFault: c, t: t, place: place, key: place + "/file", w: f.bridge.Connect(t)}
	if c.base > 0 {
		u.was = string(first(place, c.base))
		u.bucket.Put(u.key, u.was)
	}
	f.proxy.Script(place, c.rules...)
	if code, text := u.send(cmp.Or(c.verb, "STOR"), 0); code != c.code {
		t.Errorf("%d %s, want %d", code, text, c.code)
	} else if strings.Contains(text, "secret") || strings.Contains(text, requestID) {
		t.Errorf("%d %s tells what is S3's", code, text)
	}
	if ops := f.proxy.Unused(place); len(ops) > 0 {
		t.Errorf("there were no such requests, or not as many: %q", ops)
	}
	f.proxy.Script(place)
	u.check()
}

// newAndReplaced runs each fault with a new file, and with one that replaces another.
func newAndReplaced(cases map[string]uploadFault) map[string]uploadFault {
	all := make(map[string]uploadFault)
	for name, c := range cases {
		if c.base == 0 && c.verb == "" {
			all[name] = c
			c.base = 100
			name += ", replacing"
		}
		all[name] = c
	}
	return all
}

// A faultyUpload is one run of an uploadFault.
type faultyUpload struct {
	faulty
	uploadFault
	t          *testing.T
	place, key string
	was        string // the object before, "" = none
	w          *harness.Client
}

func first(seed string, size int64) []byte {
	b := make([]byte, size)
	io.ReadFull(harness.Noise(seed), b)
	return b
}

// send uploads the content from offset on, and returns the reply.
func (u *faultyUpload) send(verb string, offset int64) (int, string) {
	u.t.Helper()
	data := u.w.Dial()
	defer data.Close()
	if offset > 0 {
		u.w.Cmd(350, "REST %d", offset)
	}
	code, text := u.w.Do("%s %s", verb, u.key)
	if code != 150 {
		return code, text
	}
	data.Write(first(u.key, u.size)[offset:]) // fails if the transfer does
	data.Close()
	return u.w.Reply()
}

// check checks the bucket and the uploads that can be resumed.
func (u *faultyUpload) check() {
	u.t.Helper()
	want := map[string]string{fresh: u.sum(u.key, u.size), before: "absent"}[u.holds]
	if u.was != "" {
		was := harness.SumOf(u.t, strings.NewReader(u.was))
		switch {
		case u.holds == before:
			want = was
		case u.verb == "APPE":
			want = harness.SumOf(u.t, io.MultiReader(strings.NewReader(u.was), io.LimitReader(harness.Noise(u.key), u.size)))
		}
	}
	if got := u.bucket.Sum(u.key); got != want {
		u.t.Errorf("S3 has %s, want %s", got, u.holds)
	}
	u.resume()
}

func (u *faultyUpload) sum(seed string, size int64) string {
	return harness.SumOf(u.t, io.LimitReader(harness.Noise(seed), size))
}

// resume checks that only resumable uploads remain open, and resumes them.
func (u *faultyUpload) resume() {
	u.t.Helper()
	sizes := u.bucket.UploadSizes(u.key)
	if holding := u.emptyUploads(sizes); (len(holding) > 0) != u.left {
		u.t.Errorf("multipart uploads of %d bytes are open; to be resumed: %v", sizes, u.left)
	}
	if !u.left || u.t.Failed() {
		return
	}
	at := u.offset()
	if at <= 0 || at > u.size {
		u.t.Errorf("the upload stands at %d", at)
		return
	}
	if code, text := u.send("STOR", at); code != 226 {
		u.t.Errorf("resumed at %d: %d %s", at, code, text)
	}
	if got, want := u.bucket.Sum(u.key), u.sum(u.key, u.size); got != want {
		u.t.Errorf("resumed at %d, S3 has %s, want %s", at, got, want)
	}
	if holding := u.emptyUploads(u.bucket.UploadSizes(u.key)); len(holding) > 0 {
		u.t.Errorf("resumed at %d, multipart uploads of %d bytes are open", at, holding)
	}
}

// emptyUploads checks the number of empty multipart uploads, and returns the others.
func (u *faultyUpload) emptyUploads(sizes []int64) (holding []int64) {
	u.t.Helper()
	holding = slices.DeleteFunc(slices.Clone(sizes), func(n int64) bool { return n == 0 })
	if n := len(sizes) - len(holding); u.stray != anyNumber && n != u.stray {
		u.t.Errorf("multipart uploads of %d bytes are open; empty: %d, want %d", sizes, n, u.stray)
	} else if n > 0 {
		u.t.Logf("%d empty multipart uploads", n)
	}
	return holding
}

// offset asks the server where the upload can be resumed: by SIZE if the object is absent, else by an offset that does not fit.
func (u *faultyUpload) offset() (at int64) {
	u.t.Helper()
	if u.was == "" {
		fmt.Sscan(u.w.Cmd(213, "SIZE %s", u.key), &at)
		return at
	}
	_, text := u.send("STOR", 1)
	if _, said, ok := strings.Cut(text, "send REST "); ok {
		fmt.Sscan(strings.TrimSuffix(said, "."), &at)
	}
	return at
}
