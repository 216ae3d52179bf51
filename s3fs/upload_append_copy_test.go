package s3fs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// hooked is a client of the embedded store that records its requests, and lets a hook answer some of them.
type hooked struct {
	s3.HTTPClient
	hook func(r *http.Request, call string) *http.Response // nil = none, or no answer of its own

	mu       sync.Mutex
	calls    []string
	read     []int64  // the lengths of what GET has answered
	matches  []string // If-Match of GET
	complete string   // the last request to complete an upload
}

func (h *hooked) Do(r *http.Request) (*http.Response, error) {
	call := name(r)
	if call == "Complete" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.complete = string(body)
	}
	h.mu.Lock()
	h.calls = append(h.calls, call)
	h.mu.Unlock()
	if h.hook != nil {
		if resp := h.hook(r, call); resp != nil {
			return resp, nil
		}
	}
	resp, err := h.HTTPClient.Do(r)
	if err == nil && call == "Get" {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.read = append(h.read, resp.ContentLength)
		h.matches = append(h.matches, r.Header.Get("If-Match"))
	}
	return resp, err
}

// forget resets the records.
func (h *hooked) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls, h.read, h.matches, h.complete = nil, nil, nil, ""
}

// hookedFS returns an FS in an embedded store, and its client.
func hookedFS(t *testing.T, o Options) (*FS, *hooked) {
	c := embedded(t, "bucket")
	h := &hooked{HTTPClient: c.http}
	options := c.api.Options()
	o.Bucket = "bucket"
	return NewFS(dial(t, Config{Endpoint: *options.BaseEndpoint, Credentials: options.Credentials, HTTPClient: h, MaxBackoff: time.Millisecond}), o), h
}

// putBase stores a file of size letters, and returns its ETag.
func putBase(t *testing.T, f *FS, size int64) string {
	t.Helper()
	if _, err := f.Put(t.Context(), "/f", storetest.Source(letters("old", size)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	e, err := f.Stat(t.Context(), "/f")
	if err != nil {
		t.Fatal(err)
	}
	return e.ETag
}

// The table has the requests of uploads that copy ranges of their object. They download at most 5 MiB at each end of a range, and
// number parts without a gap. An upload of more than a second is verified by another HeadObject.
func TestCopyRequests(t *testing.T) {
	const size = 64 << 20
	fresh := func(n int64) proxy.Run { return storetest.New(letters("new", n)) }
	for name, test := range map[string]struct {
		runs  []proxy.Run
		want  string
		read  []int64
		parts int
	}{
		"one byte in place": {
			[]proxy.Run{storetest.Kept(0, 20<<20), fresh(1), storetest.Kept(20<<20+1, -1)},
			"Complete, Create, Get, Head, ListUploads, Part 2, PartCopy 1, PartCopy 3", []int64{minPart - 1}, 3,
		},
		"one byte at the beginning": {
			[]proxy.Run{fresh(1), storetest.Kept(1, -1)},
			"Complete, Create, Get, Head, Part 1, PartCopy 2", []int64{minPart - 1}, 2,
		},
		"more than a part at the beginning": {
			[]proxy.Run{fresh(minPart + 7), storetest.Kept(minPart, -1)},
			"Complete, Create, Head, Part 1, PartCopy 2", nil, 2,
		},
		"a short beginning, and bytes behind": {
			[]proxy.Run{storetest.Kept(0, minPart), fresh(5)}, "Get, Head, ListUploads, Put", []int64{minPart}, 0,
		},
		"a range that is a little longer than what a part needs": {
			[]proxy.Run{fresh(2), storetest.Kept(9, minPart+3)}, "Get, Head, Put", []int64{minPart + 3}, 0,
		},
		"a long beginning": {
			[]proxy.Run{storetest.Kept(0, size-1)}, "Complete, Create, Head, ListUploads, PartCopy 1", nil, 1,
		},
		"all": {
			[]proxy.Run{storetest.Kept(0, -1)}, "Head, ListUploads", nil, 0,
		},
		"halves in another order": {
			[]proxy.Run{storetest.Kept(size/2, -1), storetest.Kept(0, size/2)},
			"Complete, Create, Head, PartCopy 1, PartCopy 2", nil, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, h := hookedFS(t, Options{})
			base := putBase(t, f, size)
			h.forget()
			if _, err := f.Put(t.Context(), "/f", storetest.Runs(test.runs...), proxy.Write{Base: base}); err != nil {
				t.Fatal(err)
			}
			calls := h.calls
			if n := len(calls) - 1; n > 0 && calls[n] == "Head" && calls[n-1] == "Complete" {
				calls = calls[:n] // it has taken over a second, and was verified
			}
			slices.Sort(calls)
			if got := strings.Join(calls, ", "); got != test.want {
				t.Errorf("requests %s, want %s", got, test.want)
			}
			if !slices.Equal(h.read, test.read) {
				t.Errorf("read %d bytes, want %d", h.read, test.read)
			}
			for _, match := range h.matches {
				if match != `"`+base+`"` {
					t.Errorf("read on the condition %s, want %s", match, base)
				}
			}
			for i := range test.parts {
				if !strings.Contains(h.complete, fmt.Sprintf("<PartNumber>%d<", i+1)) {
					t.Errorf("no part %d in %s", i+1, h.complete)
				}
			}
			if n := len(regexp.MustCompile("<PartNumber>").FindAllString(h.complete, -1)); n != test.parts {
				t.Errorf("%d parts, want %d", n, test.parts)
			}
		})
	}
}

// A byte inserted at many places of a file downloads at most 5 MiB for each.
func TestManyInsertions(t *testing.T) {
	const size, n = 64 << 20, 5
	f, h := hookedFS(t, Options{PartSize: minPart})
	base := putBase(t, f, size)
	var runs []proxy.Run
	var want []io.Reader
	old := letters("old", size)
	for i := range int64(n) {
		runs = append(runs, storetest.Kept(i*size/n, size/n-1), storetest.New(strings.NewReader("x")))
		want = append(want, io.LimitReader(old, size/n-1), io.MultiReader(strings.NewReader("x"), &skipped{Reader: old, n: 1}))
		if i > 0 { // where the ranges begin is rounded
			want[len(want)-2] = io.MultiReader(&skipped{Reader: old, n: i*size/n - (i-1)*size/n - size/n}, want[len(want)-2])
		}
	}
	h.forget()
	if _, err := f.Put(t.Context(), "/f", storetest.Runs(runs...), proxy.Write{Base: base}); err != nil {
		t.Fatal(err)
	}
	if len(h.read) != n-1 || slices.Max(h.read) >= minPart {
		t.Errorf("read %d bytes, want less than %d each", h.read, minPart)
	}
	checkFile(t, f, "/f", io.MultiReader(want...))
}

// Many small changes of a file are few requests: ranges between them that are too short for S3 to copy are read together. No byte is
// read twice, and at most 5 MiB too many.
func TestManySmallChanges(t *testing.T) {
	const size, n, patch = 40 << 20, 1000, 16
	b := budget.New(64 << 20)
	f, h := hookedFS(t, Options{PartSize: minPart, Budget: b})
	base := putBase(t, f, size)
	var runs []proxy.Run
	var want []io.Reader
	old := letters("old", size)
	const each = size / n
	for range n {
		runs = append(runs, storetest.Kept(int64(len(runs)/2)*each, each-patch), storetest.New(strings.NewReader(strings.Repeat("x", patch))))
		want = append(want, io.LimitReader(old, each-patch), strings.NewReader(strings.Repeat("x", patch)), &skipped{Reader: old, n: patch})
	}
	const rest = size - n*each
	runs = append(runs, storetest.Kept(n*each, rest))
	want = append(want, io.LimitReader(old, rest))
	h.forget()
	if _, err := f.Put(t.Context(), "/f", storetest.Runs(runs...), proxy.Write{Base: base}); err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, got := range h.read {
		sum += got
	}
	t.Logf("%d GET of %d bytes", len(h.read), sum)
	if len(h.read) > 20 || sum > size || slices.Max(h.read) > minPart {
		t.Errorf("%d GET of %d bytes, the longest of %d", len(h.read), sum, slices.Max(h.read))
	}
	checkFile(t, f, "/f", io.MultiReader(want...))
	allFree(t, b)
}

// skipped is an empty reader that skips n bytes of another one.
type skipped struct {
	io.Reader
	n int64
}

func (s *skipped) Read([]byte) (int, error) {
	_, err := io.CopyN(io.Discard, s.Reader, s.n)
	if s.n = 0; err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// If a copy of a part or the download of a border fails, the file is unchanged and the upload is aborted.
func TestFailedCopyKeepsFile(t *testing.T) {
	for name, test := range map[string]struct {
		call   string
		status int
		code   string
		want   error
	}{
		"the service cannot copy parts":    {"PartCopy 3", 501, "NotImplemented", proxy.ErrNoCopy},
		"the first copy is refused":        {"PartCopy 1", 403, "AccessDenied", nil},
		"the source has changed":           {"PartCopy 3", 412, "PreconditionFailed", syscall.EBUSY},
		"the source has changed, and more": {"Get", 412, "PreconditionFailed", syscall.EBUSY},
		"the source is gone":               {"Get", 404, "NoSuchKey", syscall.EBUSY},
		"the border is not read":           {"Get", 403, "AccessDenied", nil},
		"the upload is not completed":      {"Complete", 400, "InvalidPart", nil},
		"the condition does not hold":      {"Complete", 412, "PreconditionFailed", syscall.EBUSY},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 30 << 20
			b := budget.New(64 << 20)
			f, h := hookedFS(t, Options{PartSize: minPart, Budget: b, Resume: time.Hour})
			base := putBase(t, f, size)
			h.hook = func(_ *http.Request, call string) *http.Response {
				if call == test.call {
					return refusal(test.status, test.code, "")
				}
				return nil
			}
			src := storetest.Runs(storetest.Kept(0, 10<<20), storetest.New(letters("new", 9)), storetest.Kept(10<<20, -1))
			_, err := f.Put(t.Context(), "/f", src, proxy.Write{Base: base})
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			h.hook = nil
			checkFile(t, f, "/f", letters("old", size))
			checkNoUploads(t, f, "f")
			allFree(t, b)
		})
	}
}

// The abort of a failed upload waits for running part copies, because a part that is stored after the abort is never removed.
func TestAbortWaitsForCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		gate, copying := make(chan struct{}), make(chan struct{})
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			switch call {
			case "Head":
				return described(4*minPart, `"e"`), nil
			case "PartCopy 1":
				close(copying)
				<-gate
				return response(200, "<R><ETag>0123456789abcdef0123456789abcdef</ETag></R>"), nil
			}
			return nil, nil
		}
		over := make(chan error)
		breaks := readerFunc(func([]byte) (int, error) {
			<-copying
			return 0, errCut
		})
		go func() {
			src := storetest.Runs(storetest.Kept(0, 2*minPart), storetest.New(io.MultiReader(letters("cut", minPart+1), breaks)), storetest.Kept(3*minPart, -1))
			over <- errOf(s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f", src, proxy.Write{}))
		}()
		synctest.Wait()
		if calls := s.requests(); slices.Contains(calls, "Abort") || !slices.Contains(calls, "PartCopy 1") {
			t.Errorf("requests %q before the part was copied", calls)
		}
		close(gate)
		if err := <-over; !errors.Is(err, errCut) {
			t.Errorf("error %v, want %v", err, errCut)
		}
		if calls := s.requests(); calls[len(calls)-1] != "Abort" {
			t.Errorf("requests %q", calls)
		}
	})
}

// A failed upload with copies from another file cannot be resumed, and is aborted.
func TestFailedUploadWithCopiesIsAborted(t *testing.T) {
	f, h := hookedFS(t, Options{PartSize: minPart, Resume: time.Hour})
	putBase(t, f, 12<<20)
	for name, src := range map[string]proxy.Source{
		"read":   storetest.Runs(storetest.New(letters("new", 2*minPart)), storetest.CopyOf("/f", "", 0, 10), storetest.New(failingAfter(2*minPart))),
		"copied": storetest.Runs(storetest.New(letters("new", 3)), storetest.CopyOf("/f", "", 0, -1), storetest.New(failingAfter(2*minPart))),
	} {
		h.forget()
		if _, err := f.Put(t.Context(), "/"+name, src, proxy.Write{}); !errors.Is(err, errCut) {
			t.Errorf("%s: error %v", name, err)
		}
		if !slices.Contains(h.calls, "Abort") {
			t.Errorf("%s: requests %q", name, h.calls)
		}
		checkNoUploads(t, f, name)
	}
}

// failingAfter returns a reader that fails after size bytes.
func failingAfter(size int64) io.Reader {
	return io.MultiReader(letters("cut", size), iotest.ErrReader(errCut))
}

// If another process replaces the object just before the upload is completed, its object is kept.
func TestObjectReplacedBeforeComplete(t *testing.T) {
	for last, size := range map[string]int64{"Put": 10, "Complete": 12 << 20} {
		f, h := hookedFS(t, Options{PartSize: minPart})
		base := putBase(t, f, size)
		other := replica(t, &Client{api: f.api, http: h.HTTPClient, checksum: f.client.checksum, timeout: f.client.timeout, log: f.log}, "bucket")
		other.api = s3.New(f.api.Options(), func(o *s3.Options) { o.HTTPClient = h.HTTPClient })
		var once sync.Once
		h.hook = func(_ *http.Request, call string) *http.Response {
			if call == last {
				once.Do(func() {
					if _, err := other.Put(t.Context(), "/f", storetest.Source(letters("other", size)), proxy.Write{}); err != nil {
						t.Error(err)
					}
				})
			}
			return nil
		}
		src := storetest.Runs(storetest.New(letters("new", 1)), storetest.Kept(1, -1))
		if _, err := f.Put(t.Context(), "/f", src, proxy.Write{Base: base}); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("%s: error %v, want %v", last, err, syscall.EBUSY)
		}
		checkFile(t, f, "/f", letters("other", size))
	}
}

// If all parts must have the same size, no part is copied; ranges that are short enough to download are still supported.
func TestUniformPartsAreNotCopied(t *testing.T) {
	f, _ := hookedFS(t, Options{PartSize: minPart, UniformParts: true})
	for size, want := range map[int64]error{minPart + 1: proxy.ErrNoCopy, minPart: nil} {
		base := putBase(t, f, size)
		src := storetest.Runs(storetest.New(letters("new", 2)), storetest.Kept(0, -1))
		if _, err := f.Put(t.Context(), "/f", src, proxy.Write{Base: base}); !errors.Is(err, want) {
			t.Errorf("%d bytes: error %v, want %v", size, err, want)
		}
	}
}

// An upload that starts with new bytes and copies from its own object keeps metadata and headers. One that copies only from another file
// does not.
func TestUploadWithOwnRangesKeepsHeaders(t *testing.T) {
	f, _ := hookedFS(t, Options{PartSize: minPart})
	for _, size := range []int{10, 3 * minPart} {
		_, err := f.api.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &f.bucket, Key: aws.String("f"), Body: zeros(size), ContentType: aws.String("text/x-log"),
			Metadata: map[string]string{"owner": "alice", "mtime": "1000000000"},
		})
		if err != nil {
			t.Fatal(err)
		}
		is, err := f.head(t.Context(), "f")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Put(t.Context(), "/f", storetest.Runs(storetest.New(zeros(3)), storetest.Kept(3, -1)), proxy.Write{Base: is.etag}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Put(t.Context(), "/g", storetest.Runs(storetest.CopyOf("/f", "", 0, -1)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]bool{"f": true, "g": false} {
			is, err := f.head(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			m := is.head.Metadata
			if got := aws.ToString(is.head.ContentType) == "text/x-log"; got != want || (m["owner"] == "alice") != want || m["mtime"] != "" {
				t.Errorf("%s of %d bytes: %s, %v; want like the old file: %v", key, size, aws.ToString(is.head.ContentType), m, want)
			}
		}
	}
}

// A new byte that was read ahead is not lost if the range before it has used up the budget.
func TestReadAheadByteWithFullBudget(t *testing.T) {
	b := budget.New(32 << 20)
	u, err := newFake(t).fs(Options{Budget: b}).newUpload(t.Context(), "f", proxy.Write{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	u.sending.parts = []sentPart{{size: 8 << 20}}
	p := u.newPart()
	if err := p.fill(t.Context(), iotest.DataErrReader(zeros(minPart)), time.Second); err != io.EOF && err != errFull {
		t.Fatal(err)
	}
	for now := b.Stats(); now.Used+budget.BufferSize <= now.Size; now = b.Stats() {
		_, giveBack, err := b.Borrow(t.Context(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer giveBack()
	}
	defer p.free()
	u.receiving.peeked = []byte("x")
	r := strings.NewReader("yz")
	if err := u.fillPart(p, r); err != errFull || p.size != minPart {
		t.Fatalf("error %v, %d bytes, want a part that is full for lack of memory", err, p.size)
	}
	if err := u.peek(r); err != nil || string(u.receiving.peeked) != "x" || r.Len() != 2 {
		t.Errorf("error %v, %q is ahead of %d bytes", err, u.receiving.peeked, r.Len())
	}
}
