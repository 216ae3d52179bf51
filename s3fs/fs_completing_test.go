package s3fs

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// A nearStore is an HTTP client for the embedded store, without a network. It calls a function before each request.
type nearStore struct {
	http.Handler
	before atomic.Value // a func(call string)
}

func (n *nearStore) Do(r *http.Request) (*http.Response, error) {
	call := name(r)
	if before, ok := n.before.Load().(func(string)); ok {
		before(call)
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	if r.Context().Err() == nil {
		n.ServeHTTP(answer, in)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err // the answer is lost
	}
	resp := answer.Result()
	resp.Request = r
	return resp, nil
}

// near returns an FS in the embedded store, with some files.
func near(t *testing.T) (*FS, *nearStore) {
	n := &nearStore{Handler: embeddedStore(t, s3demo.Options{}, "changes")}
	f := NewFS(dial(t, Config{Endpoint: "http://near", Credentials: keys("a", "s"), HTTPClient: n}), Options{Bucket: "changes"})
	for _, name := range []string{"/f", "/d/1", "/d/2", "/d/3"} {
		if _, err := f.Put(t.Context(), name, storetest.Source(strings.NewReader("content")), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Mkdir(t.Context(), "/empty"); err != nil {
		t.Fatal(err)
	}
	return f, n
}

// If the caller is cancelled while S3 executes a change, the change completes, and its result is that of S3. If the caller is cancelled
// earlier, the change does not start.
func TestChangeOfCancelledCallerCompletes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(context.Context, *FS) error
		begins string // with this request
		gone   string // the name that must not exist at the end; "" = none
		there  string
	}{
		"Remove":          {func(ctx context.Context, f *FS) error { return errOf(f.Remove(ctx, "/f")) }, "Delete", "/f", "/d/1"},
		"Mkdir":           {func(ctx context.Context, f *FS) error { return errOf(f.Mkdir(ctx, "/new")) }, "Put", "", "/new/"},
		"Rmdir":           {func(ctx context.Context, f *FS) error { return errOf(f.Rmdir(ctx, "/empty")) }, "Delete", "/empty/", "/f"},
		"SetTime":         {func(ctx context.Context, f *FS) error { return errOf(f.SetTime(ctx, "/f", time.Unix(1, 0))) }, "Copy", "", "/f"},
		"Rename, copied":  {func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/f", "/g", true)) }, "Copy", "/f", "/g"},
		"Rename, deleted": {func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/f", "/g", true)) }, "Delete", "/f", "/g"},
		"Rename of a directory": {func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/d", "/e", true)) },
			"Delete", "/d/", "/e/3"},
	} {
		t.Run(name, func(t *testing.T) {
			f, n := near(t)
			ctx, leave := context.WithCancelCause(t.Context())
			n.before.Store(func(call string) {
				if call == c.begins || call == "DeleteMany" && c.begins == "Delete" {
					leave(errCut)
				}
			})
			if err := c.change(ctx, f); err != nil || ctx.Err() == nil {
				t.Errorf("the caller was cancelled during %s: %v", c.begins, err)
			}
			n.before.Store(func(string) {})
			if _, err := f.Stat(t.Context(), c.there); err != nil {
				t.Errorf("%s: %v", c.there, err)
			}
			if c.gone != "" {
				if _, err := f.Stat(t.Context(), c.gone); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s exists: %v", c.gone, err)
				}
			}
			if name == "Rename, copied" || name == "Rename, deleted" {
				return // the same change as below
			}

			f, n = near(t)
			ctx, leave = context.WithCancelCause(t.Context())
			var mu sync.Mutex
			var calls []string
			n.before.Store(func(call string) {
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, call)
				leave(errCut) // with the first request, which only looks
			})
			if err := c.change(ctx, f); err == nil {
				t.Errorf("the caller was cancelled before: the change was made")
			}
			for _, change := range []string{"Delete", "DeleteMany", "Put", "Copy", "Create"} {
				if slices.Contains(calls, change) {
					t.Errorf("requests for a cancelled caller: %v", calls)
				}
			}
		})
	}
}

// A rename of a directory that is cancelled while it copies removes the copies, and keeps the sources.
func TestCancelledDirectoryRenameRemovesCopies(t *testing.T) {
	f, n := near(t)
	ctx, leave := context.WithCancelCause(t.Context())
	n.before.Store(func(call string) {
		if call == "Copy" {
			leave(errCut)
		}
	})
	if _, err := f.Rename(ctx, "/d", "/e", true); !errors.Is(err, errCut) {
		t.Errorf("got %v, want %v", err, errCut)
	}
	n.before.Store(func(string) {})
	if _, err := f.Stat(t.Context(), "/e/"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copies are left: %v", err)
	}
	for _, name := range []string{"/d/1", "/d/2", "/d/3"} {
		if _, err := f.Stat(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
