package s3fs

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// checkLocked checks the number of locked names.
func checkLocked(t *testing.T, f *FS, want int) {
	t.Helper()
	f.client.names.mu.Lock()
	defer f.client.names.mu.Unlock()
	if got := len(f.client.names.queues); got != want {
		t.Errorf("%d names are locked, want %d", got, want)
	}
}

// A lock is passed to waiters in the order of their arrival, except those that timed out or were cancelled.
func TestLocksAreFirstInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t).fs(Options{})
		first := f.newNameLock("a", "b")
		if err := first.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		order := make(chan string, 9)
		wait := func(ctx context.Context, who string, keys ...string) {
			go func() {
				l := f.newNameLock(keys...)
				begun := time.Now()
				err := l.acquire(ctx)
				switch {
				case errors.Is(err, syscall.EBUSY) && time.Since(begun) == 30*time.Second:
					who += " too long"
				case errors.Is(err, context.Canceled):
					who += " left"
				case err != nil:
					t.Errorf("%s: %v", who, err)
				}
				order <- who
				l.release()
			}()
			synctest.Wait()
		}
		wait(t.Context(), "one", "b", "c")
		<-time.After(20 * time.Second)
		wait(ctx, "two", "a")
		wait(t.Context(), "three", "a/")
		wait(t.Context(), "four", "c")
		leave()
		<-time.After(15 * time.Second)
		first.release()
		for _, want := range []string{"four", "two left", "one too long", "three"} {
			if got := <-order; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		checkLocked(t, f, 0)
	})
}

// A lock without contention must not allocate, because each small file takes one.
func TestUncontendedLockDoesNotAllocate(t *testing.T) {
	f := newFake(t).fs(Options{})
	l := f.newNameLock("a")
	if n := testing.AllocsPerRun(100, func() {
		if err := l.acquireWithin(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		l.release()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// If another operation of this process holds the lock of the name for too long, the upload fails with EBUSY and can be resumed. It takes
// the lock only after Commit, so that it never holds it while it waits for the client.
func TestUploadToLockedName(t *testing.T) {
	for name, size := range map[string]int{"one part": minPart + 10, "parts": 2*minPart + 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				f := s.fs(Options{Resume: time.Hour, PartSize: 2 * minPart})
				other := f.newNameLock("f")
				if err := other.acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size)), proxy.Write{})
				if took := time.Since(begun); !errors.Is(err, syscall.EBUSY) || took > 30*time.Second {
					t.Errorf("error %v after %v", err, took)
				}
				other.release()
				checkLocked(t, f, 0)
				at := resumableSize(t, f, "/f")
				if at < minPart || len(s.objects) > 0 {
					t.Errorf("the resumable size is %d; published objects: %v", at, s.objects)
				}
				if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size-int(at)), storetest.First(at)), proxy.Write{}); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Operations on a locked name fail with EBUSY, without a request.
func TestOperationsOnLockedName(t *testing.T) {
	for _, op := range []change{dele("/f"), mfmt("/f"), rnto("/f", "/g"), rnto("/g", "/f"), mkd("/f"), rmd("/f")} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			f := s.fs(Options{})
			other := f.newNameLock("f")
			if err := other.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := op.do(t.Context(), f); !errors.Is(err, syscall.EBUSY) || len(s.requests()) > 0 {
				t.Errorf("%s: error %v; requests %q", op.name, err, s.requests())
			}
			other.release()
			checkLocked(t, f, 0)
		})
	}
}

// A conditional PutObject takes the lock before it is sent. MinIO locks the object from the condition to the last byte, so the holder of
// our lock could wait for MinIO, and MinIO for the last byte.
func TestConditionalPutLocksBeforeRequest(t *testing.T) {
	for name, put := range map[string]func(context.Context, *FS) error{
		"STOU": func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(strings.NewReader("more")), proxy.Write{New: true}))
		},
		"APPE": func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(strings.NewReader("more"), storetest.All()), proxy.Write{}))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(_ *http.Request, call string) (*http.Response, error) {
				switch call {
				case "Head":
					return described(4, `"e"`), nil
				case "Get":
					resp := typed("", "kept")
					resp.Header.Set("ETag", `"e"`)
					return resp, nil
				}
				return nil, nil
			}
			sent := false
			c := dial(t, Config{Endpoint: "http://fake", Credentials: keys("a", "s"), HTTPClient: arriving{s, func(call string) { sent = sent || call == "Put" }}})
			f := NewFS(c, Options{Bucket: "b", Resume: -1})
			other := f.newNameLock("f")
			if err := other.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			over := make(chan error)
			go func() { over <- put(t.Context(), f) }()
			if synctest.Wait(); sent {
				t.Errorf("%s: sent while the name is locked", name)
			}
			other.release()
			if err := <-over; err != nil || !sent {
				t.Errorf("%s: error %v; sent: %v", name, err, sent)
			}
		})
	}
}

// arriving calls a function for each request before its content is read.
type arriving struct {
	*fake
	tell func(call string)
}

func (a arriving) Do(r *http.Request) (*http.Response, error) {
	a.tell(name(r))
	return a.fake.Do(r)
}

// SetTime retries a copy that finds no object, or another one. It must not report an existing file as missing, and returns EBUSY for a file
// that changes at each try.
func TestSetTimeOfReplacedFile(t *testing.T) {
	for name, test := range map[string]struct {
		refusals int
		status   int
		code     string
		want     error
	}{
		"gone for a moment":  {1, 404, "NoSuchKey", nil},
		"replaced":           {2, 412, "PreconditionFailed", nil},
		"gone each time":     {99, 404, "NoSuchKey", syscall.EBUSY},
		"replaced each time": {99, 412, "PreconditionFailed", syscall.EBUSY},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.fault = func(_ *http.Request, call string) (*http.Response, error) {
					switch {
					case call == "Head":
						return described(1, `"e"`), nil
					case call == "Copy" && s.count(call) <= test.refusals:
						return refusal(test.status, test.code, ""), nil
					case call == "Copy":
						return response(200, `<R><ETag>"e"</ETag></R>`), nil
					}
					return nil, nil
				}
				_, err := s.fs(Options{}).SetTime(t.Context(), "/f", time.Unix(1, 0))
				if !errors.Is(err, test.want) || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("error %v, want %v", err, test.want)
				}
			})
		})
	}
}

// Rename does the same as SetTime.
func TestRenameOfReplacedFile(t *testing.T) {
	for refusals, want := range map[int]error{1: nil, 99: syscall.EBUSY} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(_ *http.Request, call string) (*http.Response, error) {
				switch {
				case call == "Head":
					return described(1, `"e"`), nil
				case call == "Copy" && s.count(call) <= refusals:
					return refusal(404, "NoSuchKey", ""), nil
				case call == "Copy":
					return response(200, `<R><ETag>"e"</ETag></R>`), nil
				}
				return nil, nil
			}
			if _, err := s.fs(Options{}).Rename(t.Context(), "/f", "/g", true); !errors.Is(err, want) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%d refusals: error %v, want %v", refusals, err, want)
			}
		})
	}
}
