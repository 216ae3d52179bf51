package s3fs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// An answer without the data of the written object does not confirm the request, whatever its status. Then nothing is deleted, and the
// operation fails.
func TestAnswerWithoutConfirmationIsAnError(t *testing.T) {
	rename := func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/large", "/copy", true)) }
	setTime := func(ctx context.Context, f *FS) error { return errOf(f.SetTime(ctx, "/large", time.Unix(2, 0))) }
	put := func(ctx context.Context, f *FS) error {
		return errOf(f.Put(ctx, "/f", storetest.Source(zeros(minPart+1)), proxy.Write{}))
	}
	for name, test := range map[string]struct {
		call  string // the one with this answer
		parts bool   // copies are made in these
		do    func(context.Context, *FS) error
	}{
		"a rename":                  {"Copy", false, rename},
		"a rename's upload":         {"Create", true, rename},
		"a rename's part":           {"PartCopy 2", true, rename},
		"a rename's completion":     {"Complete", true, rename},
		"a time":                    {"Copy", false, setTime},
		"a time of a file in parts": {"Complete", true, setTime},
		"an upload": {"Put", false, func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(1)), proxy.Write{}))
		}},
		"the beginning of an upload": {"Create", false, put},
		"an upload's part":           {"Part 1", false, put},
		"an upload's completion":     {"Complete", false, put},
		"a directory":                {"Put", false, func(ctx context.Context, f *FS) error { return errOf(f.Mkdir(ctx, "/e")) }},
	} {
		for _, body := range []string{"", "<?xml version=\"1.0\"?>\n   ", "<html>Please log in.</html>", "<R></R>"} {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.copying(func(r *http.Request, call string) (*http.Response, error) {
					if call == test.call {
						return response(200, body), nil
					}
					if call == "Part 1" || call == "PartCopy 2" {
						return tagged("0123456789abcdef0123456789abcdef"), nil
					}
					return nil, nil
				})
				f := s.fs(Options{PartSize: minPart})
				if test.parts {
					inSmallParts(f)
				}
				if err := test.do(t.Context(), f); err == nil {
					t.Errorf("%s, answered %q: no error", name, body)
				}
				if slices.Contains(s.requests(), "Delete") {
					t.Errorf("%s, answered %q: the source was deleted", name, body)
				}
			})
		}
	}
}

// After an answer without confirmation, HEAD shows whether the object was written, as after a lost answer.
func TestUnconfirmedWriteIsVerifiedByHead(t *testing.T) {
	s := newFake(t)
	copied := false
	s.copying(func(r *http.Request, call string) (*http.Response, error) {
		switch {
		case call == "Copy":
			copied = true
			return response(200, ""), nil
		case call == "Head" && r.URL.Path == "/b/copy" && copied:
			return described(2*minPart, `"e"`), nil
		case call == "Delete":
			return response(204, ""), nil
		}
		return nil, nil
	})
	if _, err := s.fs(Options{}).Rename(t.Context(), "/large", "/copy", true); err != nil {
		t.Error(err)
	}
	s.checkCalls("Head x4", "List", "Copy x4", "Delete")
}

// A request that a proxy answered instead of S3 is retried.
func TestUnconfirmedIsRetried(t *testing.T) {
	for _, body := range []string{"", "<html>Please log in.</html>"} {
		for _, call := range []string{"Put", "Create", "Part 1", "Complete", "Copy"} {
			s := newFake(t)
			first := true
			s.copying(func(_ *http.Request, now string) (*http.Response, error) {
				switch {
				case now == call && first:
					first = false
					return response(200, body), nil
				case now == "Copy":
					return response(200, "<R><ETag>x</ETag></R>"), nil
				case now == "Complete":
					s.mu.Lock()
					defer s.mu.Unlock()
					s.open = false
					return response(200, "<R><ETag>x</ETag></R>"), nil
				}
				return nil, nil
			})
			f := s.fs(Options{PartSize: minPart})
			size := twoParts
			if call == "Put" {
				size = 1
			}
			_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size)), proxy.Write{})
			if call == "Copy" {
				_, err = f.SetTime(t.Context(), "/large", time.Unix(2, 0))
			}
			if err != nil || first {
				t.Errorf("%s, answered %q: %v; answered so: %v", call, body, err, !first)
			}
		}
	}
}

// If the answer to the marker that reserves the new name is lost, the rename distinguishes its own marker from that of another session.
func TestOwnMarkerIsRecognizedAfterLostAnswer(t *testing.T) {
	for name, other := range map[string]bool{"ours": false, "another session's": true} {
		s := newFake(t)
		stored := ""
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch {
			case call == "Put" && stored == "":
				if stored = r.Header.Get("Content-Type"); other {
					stored = markerType
				}
				return nil, syscall.ECONNRESET
			case call == "Put":
				return refusal(412, "PreconditionFailed", ""), nil
			case call == "Head":
				return headAnswer(map[string]string{"ETag": `"m"`, "Content-Type": stored}, 0), nil
			}
			return nil, nil
		}
		etag, err := s.fs(Options{}).reserve(t.Context(), "d/")
		if other && !errors.Is(err, fs.ErrExist) || !other && (err != nil || etag != "m") {
			t.Errorf("%s: %q, %v", name, etag, err)
		}
	}
}

// SetTime succeeds if S3 has stored the time, but the answer was lost and the retry is refused.
func TestSetTimeWithLostAnswer(t *testing.T) {
	for name, made := range map[string]bool{"stored": true, "not stored": false} {
		s := newFake(t)
		copies := 0
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch {
			case call == "Copy":
				if copies++; copies == 1 {
					return nil, syscall.ECONNRESET
				}
				return refusal(412, "PreconditionFailed", ""), nil
			case call == "Head" && copies > 0 && made:
				return headAnswer(map[string]string{"ETag": `"new"`, "X-Amz-Meta-Mtime": "1000"}, 7), nil
			case call == "Head":
				return headAnswer(map[string]string{"ETag": `"old"`}, 7), nil
			}
			return nil, nil
		}
		if _, err := s.fs(Options{}).SetTime(t.Context(), "/f", time.Unix(1000, 0)); (err == nil) != made {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The page of a proxy must not be taken as a file or a listing.
func TestPageOfProxyIsNotContent(t *testing.T) {
	const page = "<html><body>Please log in.</body></html>"
	for name, test := range map[string]struct {
		call string // the one with the page as answer
		do   func(context.Context, *FS) error
	}{
		"SIZE": {"Head", func(ctx context.Context, f *FS) error { _, err := f.Stat(ctx, "/f"); return err }},
		"RETR": {"Get", func(ctx context.Context, f *FS) error { _, err := f.Open(ctx, "/f", proxy.Range{}); return err }},
		"APPE": {"Get", func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(3), storetest.All()), proxy.Write{}))
		}},
		"APPE to what HEAD does not tell": {"Head", func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(3), storetest.All()), proxy.Write{}))
		}},
		"LIST": {"List", func(ctx context.Context, f *FS) error {
			for _, err := range f.List(ctx, "/d", "") {
				return err
			}
			return nil
		}},
		"uploads": {"ListUploads", func(ctx context.Context, f *FS) error { _, err := f.listUploadsIn(ctx, "d/"); return err }},
		"parts":   {"ListParts", func(ctx context.Context, f *FS) error { _, err := f.listParts(ctx, "f", "id"); return err }},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			s.objects["/b/f"], s.open = 10, true
			s.fault = func(_ *http.Request, call string) (*http.Response, error) {
				if call == test.call {
					return response(200, page), nil
				}
				return nil, nil
			}
			if err := test.do(t.Context(), s.fs(Options{})); !errors.Is(err, errUnconfirmed) {
				t.Errorf("%s: error %v, want %v", name, err, errUnconfirmed)
			}
			if slices.Contains(s.requests(), "Put") {
				t.Errorf("%s: requests %q", name, s.requests())
			}
		})
	}
}

// A request with an answer that is not XML is retried.
func TestUnreadableAnswer(t *testing.T) {
	for _, first := range []string{"List", "ListUploads", "ListParts"} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			s.open = true
			s.fault = func(_ *http.Request, call string) (*http.Response, error) {
				if call == first && s.count(call) == 1 {
					return response(200, "<html><hr>Bad Gateway</html>"), nil
				}
				return nil, nil
			}
			f := s.fs(Options{Resume: time.Hour})
			_, err := f.fetchPage(t.Context(), "d/", "", "", 0)
			_, uploadsErr := f.listUploadsIn(t.Context(), "d/")
			_, partsErr := f.listParts(t.Context(), "f", "id")
			if err := errors.Join(err, uploadsErr, partsErr); err != nil {
				t.Error(err)
			}
			if n := s.count(first); n != 2 {
				t.Errorf("%s: %d requests, want 2", first, n)
			}
		})
	}
}

// If the file is replaced during an append and the service ignores If-Match, the append must not mix the versions.
func TestAppendToReplacedFile(t *testing.T) {
	s := newFake(t)
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		switch call {
		case "Head":
			return headAnswer(map[string]string{"ETag": `"v1"`}, 4), nil
		case "Get":
			resp := tagged("v2")
			resp.ContentLength, resp.Body = 4, io.NopCloser(strings.NewReader("kept"))
			return resp, nil
		}
		return nil, nil
	}
	if _, err := s.fs(Options{}).Put(t.Context(), "/f", storetest.Source(zeros(3), storetest.All()), proxy.Write{}); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("error %v, want %v", err, syscall.EBUSY)
	}
	s.checkCalls("Head", "Get")
}

// S3 confirms a deletion with 204. A 200 may be of a proxy: the request is retried, and then HEAD shows whether the object is deleted. A
// service that always answers 200 is remembered.
func TestUnconfirmedDeletion(t *testing.T) {
	for name, test := range map[string]struct {
		answers []int  // to the deletions, the last one to all others
		head    string // the ETag that HEAD tells; "" = gone
		want    error
		calls   []string
	}{
		"deleted":             {[]int{204}, "e", nil, []string{"Delete"}},
		"a proxy comes first": {[]int{200, 204}, "e", nil, []string{"Delete x2"}},
		"and deleted it":      {[]int{200, 404}, "e", nil, []string{"Delete x2"}},
		"it always says so":   {[]int{200}, "", nil, []string{"Delete x4", "Head"}},
		"it is not deleted":   {[]int{200}, "e", errUnconfirmed, []string{"Delete x4", "Head"}},
		"stored meanwhile":    {[]int{200}, "new", nil, []string{"Delete x4", "Head"}},
	} {
		s := newFake(t)
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			switch {
			case call == "Delete":
				return response(test.answers[min(s.count(call), len(test.answers))-1], ""), nil
			case test.head == "":
				return response(404, ""), nil
			}
			return described(1, test.head), nil
		}
		f := s.fs(Options{})
		if err := f.delete(t.Context(), "f", "e", nil); !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.checkCalls(test.calls...)
		s.forget()
		if f.delete(t.Context(), "f", "e", nil); name == "it always says so" {
			s.checkCalls("Delete", "Head")
		}
	}
}

// Keys that are not in the answer to DeleteObjects are deleted one by one.
func TestUnconfirmedDeletions(t *testing.T) {
	for _, body := range []string{"", "<html>Welcome</html>", "<DeleteResult><Deleted><Key>b</Key></Deleted></DeleteResult>"} {
		s := newFake(t)
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			if call == "DeleteMany" {
				return response(200, body), nil
			}
			return nil, nil
		}
		if err := s.fs(Options{}).deleteAll(t.Context(), []string{"a", "b"}, nil); err != nil {
			t.Errorf("answered %q: %v", body, err)
		}
		if singly := s.count("Delete"); singly == 0 || singly == 2 && strings.Contains(body, "Deleted") {
			t.Errorf("answered %q: %d deleted singly", body, singly)
		}
	}
}

// The page of a proxy must not be taken as an empty list of tags, because the copy would lose the tags.
func TestUnconfirmedTags(t *testing.T) {
	for _, body := range []string{"", "<html>Welcome</html>", "<Tagging><TagSet></TagSet></Tagging>"} {
		s := newFake(t)
		s.fault = func(*http.Request, string) (*http.Response, error) { return response(200, body), nil }
		tags, err := s.fs(Options{}).objectTags(t.Context(), "f", &s3.HeadObjectOutput{TagCount: aws.Int32(1)})
		if err == nil || tags != nil {
			t.Errorf("answered %q: %v, %v", body, tags, err)
		}
	}
}
