package s3fs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// An operation returns after its own request, however slowly S3 lists and aborts earlier failed uploads. Stat and Close wait for the
// clean-up, for a limited time.
func TestRepliesDoNotWaitForCleanUps(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, f *FS) error{
		"STOR of one part": func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(10)), proxy.Write{}))
		},
		"STOR of parts": func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(zeros(twoParts)), proxy.Write{}))
		},
		"DELE":              func(ctx context.Context, f *FS) error { return errOf(f.Remove(ctx, "/there")) },
		"RNTO of a file":    func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/there", "/f", true)) },
		"RNTO of a file, 2": func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/there", "/other", true)) },
	} {
		for _, slow := range []string{"Abort", "ListUploads"} {
			t.Run(name+", slow "+slow, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newFake(t)
					f := s.fs(Options{PartSize: minPart, Resume: 24 * time.Hour})
					_, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{})
					if !errors.Is(err, errCut) {
						t.Fatal(err)
					}
					s.objects["/b/there"], s.open = 10, false
					s.fault = func(r *http.Request, call string) (*http.Response, error) {
						if call == slow {
							<-r.Context().Done()
							return nil, r.Context().Err()
						}
						if call == "Copy" {
							return response(200, "<R><ETag>x</ETag></R>"), nil
						}
						return nil, nil
					}
					begun := time.Now()
					if err := do(t.Context(), f); err != nil {
						t.Error(err)
					}
					if took := time.Since(begun); took > 0 {
						t.Errorf("the operation returns %v after its last request", took)
					}
					begun = time.Now()
					if f.client.Close(); time.Since(begun) > closeWait {
						t.Errorf("Close took %v, want at most %v", time.Since(begun), closeWait)
					}
				})
			})
		}
	}
}

// After Remove, Stat must not report a resumable upload that S3 has not aborted yet.
func TestStatWaitsForCleanUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{PartSize: minPart, Resume: 24 * time.Hour})
		if _, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{}); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		s.objects["/b/f"] = 10
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			if call == "Abort" {
				<-time.After(5 * time.Second)
			}
			return nil, nil
		}
		if _, err := f.Remove(t.Context(), "/f"); err != nil {
			t.Fatal(err)
		}
		delete(s.objects, "/b/f")
		if at := resumableSize(t, f, "/f"); at != 0 {
			t.Errorf("after the deletion the resumable size is %d", at)
		}
	})
}

// While the maximal number of clean-ups is running, an operation waits for its own.
func TestCleanUpsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t).fs(Options{})
		done := make(chan struct{})
		for range maxCleanUps {
			f.cleanUp(t.Context(), "f", func(context.Context) { <-done })
		}
		at := 0
		f.cleanUp(t.Context(), "f", func(context.Context) { at = 1 })
		if at != 1 {
			t.Error("one clean-up too many runs in the background")
		}
		close(done)
		awaitCleanUps(t, f)
	})
}

// A panic in a clean-up is logged, and does not end the process.
func TestCleanUpPanics(t *testing.T) {
	var log bytes.Buffer
	f := newFake(t).fs(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	f.cleanUp(t.Context(), "f", func(context.Context) { panic("oops") })
	f.client.Close()
	if !strings.Contains(log.String(), "clean-up failed") || !strings.Contains(log.String(), "oops") {
		t.Errorf("log %q", log.String())
	}
}

// An upload that S3 has not aborted within a day is logged at a visible level; aborted ones are not.
func TestFailedAbortIsLogged(t *testing.T) {
	for name, test := range map[string]struct {
		lasts time.Duration
		want  string
	}{
		"ended later": {time.Hour, "level=INFO msg=\"aborted a multipart upload after retries"},
		"given up":    {48 * time.Hour, "level=WARN msg=\"multipart upload stays in the bucket, giving up to abort it"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				s := newFake(t)
				f := s.fs(Options{PartSize: minPart, Log: slog.New(slog.NewTextHandler(&log, nil))})
				begun := time.Now()
				s.fault = func(_ *http.Request, call string) (*http.Response, error) {
					if call == "Abort" && time.Since(begun) < test.lasts {
						return nil, errors.New("connection reset by peer")
					}
					return nil, nil
				}
				f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{})
				<-time.After(30 * time.Hour)
				f.client.Close()
				if !strings.Contains(log.String(), test.want) {
					t.Errorf("log %s\nwant %s", log.String(), test.want)
				}
			})
		})
	}
}
