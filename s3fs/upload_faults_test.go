package s3fs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// The table has the error of Put, its requests and the existence of the file for each fault.
func TestPutFaults(t *testing.T) {
	refuse := func(call string, times, status int, code string) func(*http.Request, string) (*http.Response, error) {
		return func(_ *http.Request, c string) (*http.Response, error) {
			if c != call || times == 0 {
				return nil, nil
			}
			synctest.Wait() // until all else has gone as far as it goes
			times--
			return refusal(status, code, ""), nil
		}
	}
	calls := func(calls ...string) []string { return calls }
	for name, test := range map[string]struct {
		reader    io.Reader
		write     proxy.Write
		fault     func(*http.Request, string) (*http.Response, error)
		want      error // nil = none; errAny = some
		calls     []string
		published bool
	}{
		"reader breaks in a small file": {
			reader: io.MultiReader(zeros(100), iotest.ErrReader(errCut)), want: errCut,
		},
		"reader breaks in the second part": {
			reader: io.MultiReader(zeros(twoParts), slow{iotest.ErrReader(errCut), time.Second}), want: errCut,
			calls: calls("Create", "Part 1", "Abort"),
		},
		"reader breaks after a whole part": {
			reader: io.MultiReader(zeros(5<<20), iotest.ErrReader(errCut)), want: errCut,
		},
		"a part is refused": {
			reader: zeros(twoParts), fault: refuse("Part 2", -1, 400, "InvalidRequest"), want: errAny,
			calls: calls("Create", "Part 1", "Part 2", "Abort"),
		},
		"a part succeeds in the end": {
			reader: zeros(twoParts), fault: refuse("Part 2", 7, 503, "SlowDown"), published: true,
			calls: calls("Create", "Part 1", "Part 2 x8", "Complete"),
		},
		"a part never succeeds": {
			reader: zeros(twoParts), fault: refuse("Part 1", -1, 503, "SlowDown"), want: errAny,
			calls: calls("Create", "Part 1 x8", "Part 2", "Abort"),
		},
		"a part was damaged on its way": {
			reader: zeros(twoParts), fault: refuse("Part 1", 1, 400, "BadDigest"), published: true,
			calls: calls("Create", "Part 1 x2", "Part 2", "Complete"),
		},
		"a small file was damaged on its way": {
			reader: zeros(10), fault: refuse("Put", 1, 400, "XAmzContentChecksumMismatch"), published: true,
			calls: calls("Put x2"),
		},
		"no upload is begun": {
			reader: zeros(twoParts), fault: refuse("Create", -1, 403, "AccessDenied"), want: fs.ErrPermission,
			calls: calls("Create"),
		},
		"Complete answers 200 with an error": {
			reader: zeros(twoParts), fault: func(_ *http.Request, c string) (*http.Response, error) {
				if c == "Complete" {
					return refusal(200, "InternalError", "try again"), nil
				}
				return nil, nil
			}, want: errAny,
			calls: calls("Create", "Part 1", "Part 2", "Complete x8", "Head", "Abort"), // the last four without checksums
		},
		"Complete answers 200 with a condition that does not hold": {
			reader: zeros(twoParts), write: proxy.Write{New: true}, fault: refuse("Complete", -1, 200, "PreconditionFailed"), want: fs.ErrExist,
			calls: calls("Create", "Part 1", "Part 2", "Complete", "Head", "Abort"),
		},
		"the name is taken meanwhile": {
			reader: zeros(twoParts), write: proxy.Write{New: true}, fault: refuse("Complete", -1, 412, "PreconditionFailed"), want: fs.ErrExist,
			calls: calls("Create", "Part 1", "Part 2", "Complete", "Head", "Abort"),
		},
		"the name is taken": {
			reader: zeros(10), write: proxy.Write{New: true}, fault: refuse("Put", -1, 412, "PreconditionFailed"), want: fs.ErrExist,
			calls: calls("Put"),
		},
		"the bucket is missing": {
			reader: zeros(10), fault: refuse("Put", -1, 404, "NoSuchBucket"), want: errorsByCode["NoSuchBucket"], calls: calls("Put"),
		},
		"the storage is full": {
			reader: zeros(10), fault: refuse("Put", -1, 507, "XMinioStorageFull"), want: syscall.ENOSPC, calls: calls("Put"),
		},
		"more is announced than fits": {
			reader: zeros(10), write: proxy.Write{Size: 1 << 50}, want: syscall.EFBIG,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.fault = test.fault
				f := s.fs(Options{PartSize: minPart})
				_, err := f.Put(t.Context(), "/f", storetest.Source(test.reader), test.write)
				if test.want == errAny && err == nil || test.want != errAny && !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				s.calls = slices.DeleteFunc(s.requests(), func(call string) bool { return call == "Head" && test.published }) // it may have taken over a second
				s.checkCalls(test.calls...)
				if _, ok := s.objects["/b/f"]; ok != test.published {
					t.Errorf("published: %v, want %v", ok, test.published)
				}
				if s.open || f.budget.Stats().Used != 0 {
					t.Errorf("left behind: an upload: %v, bytes: %d", s.open, f.budget.Stats().Used)
				}
			})
		})
	}
}

var errAny = errors.New("any error")

func TestPutStopsReadingAfterFailedPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			if call == "Part 1" {
				return refusal(400, "InvalidRequest", ""), nil
			}
			return nil, nil
		}
		read := int64(0)
		_, err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f", storetest.Source(counter{slow{endless{}, time.Second}, &read}), proxy.Write{})
		if err == nil || read > 8<<20 {
			t.Errorf("error %v after %d bytes, want one soon after the first part", err, read)
		}
	})
}

func TestPutIsNotCancelledAfterCommit(t *testing.T) {
	for _, size := range []int{100, twoParts} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := newFake(t)
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				if call == "Put" || call == "Complete" {
					cancel()
					return nil, r.Context().Err()
				}
				return nil, nil
			}
			if _, err := s.fs(Options{PartSize: minPart}).Put(ctx, "/f", storetest.Source(zeros(size)), proxy.Write{}); err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
			if s.objects["/b/f"] != int64(size) {
				t.Errorf("%d bytes published, want %d", s.objects["/b/f"], size)
			}
		})
	}
}

// If the caller is cancelled during CreateMultipartUpload, the upload is aborted.
func TestUploadCreatedForCancelledCallerIsAborted(t *testing.T) {
	s := newFake(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if call == "Create" {
			cancel(errCut)
			return nil, r.Context().Err()
		}
		return nil, nil
	}
	if _, err := s.fs(Options{PartSize: minPart}).Put(ctx, "/f", storetest.Source(zeros(twoParts)), proxy.Write{}); !errors.Is(err, errCut) {
		t.Errorf("error %v, want %v", err, errCut)
	}
	if s.requests()[0] != "Create" || s.requests()[len(s.requests())-1] != "Abort" || s.open {
		t.Errorf("requests %q", s.requests())
	}
}

// After the caller was cancelled, S3 has 30 s to confirm the request that publishes, and the requests after that are bounded too.
func TestWaitForCommitIsBounded(t *testing.T) {
	for _, size := range []int{100, twoParts} {
		for _, resume := range []time.Duration{-1, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				s := newFake(t)
				var gone time.Time
				s.fault = func(r *http.Request, call string) (*http.Response, error) {
					if !gone.IsZero() || call == "Put" && r.URL.Path == "/b/f" || call == "Complete" {
						if gone.IsZero() {
							gone = time.Now()
							cancel(errCut)
						}
						<-r.Context().Done() // S3 is silent from now on
						return nil, r.Context().Err()
					}
					return nil, nil
				}
				_, err := s.fs(Options{PartSize: minPart, Resume: resume}).Put(ctx, "/f", storetest.Source(zeros(size)), proxy.Write{})
				took := time.Since(gone)
				t.Logf("%d bytes, resume %v: Put returns %v after its caller has gone", size, resume, took)
				if !errors.Is(err, context.Canceled) || gone.IsZero() || took > 2*cancelGrace {
					t.Errorf("%d bytes, resume %v: %v after %v", size, resume, err, took)
				}
			})
		}
	}
}
