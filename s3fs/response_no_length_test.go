package s3fs

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// appendedFile returns an FS with a file, behind a proxy that answers some HEAD requests.
func appendedFile(t *testing.T, between func(http.Handler) http.Handler) (f *FS, content func() string) {
	t.Helper()
	store := embeddedStore(t, s3demo.Options{}, "files")
	open := func(h http.Handler) *FS {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return NewFS(dial(t, Config{Endpoint: server.URL, Credentials: keys("a", "s"), MaxBackoff: time.Millisecond}), Options{Bucket: "files"})
	}
	plain := open(store)
	if _, err := plain.Put(t.Context(), "/log", storetest.Source(strings.NewReader("first line\n")), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	return open(between(store)), func() string {
		r, err := plain.Open(t.Context(), "/log", proxy.Range{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// If a proxy removes Content-Length from answers to HEAD, an object must not be taken as empty, unless it has the ETag of an empty one.
func TestHeadWithoutLength(t *testing.T) {
	f, content := appendedFile(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodHead {
				h.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, r)
			for name, values := range answer.Header() {
				if name != "Content-Length" {
					w.Header()[name] = values
				}
			}
			w.WriteHeader(answer.Code)
		})
	})
	if _, err := f.Put(t.Context(), "/empty", storetest.Source(strings.NewReader("")), proxy.Write{}); err != nil {
		t.Error(err)
	}
	if is, err := f.Stat(t.Context(), "/empty"); err != nil || is.Size != 0 {
		t.Errorf("SIZE of an empty file: %v, %v", is, err)
	}
	if is, err := f.Stat(t.Context(), "/log"); !errors.Is(err, errUnconfirmed) {
		t.Errorf("SIZE: %v, %v", is, err)
	}
	if _, err := f.Put(t.Context(), "/log", storetest.Source(strings.NewReader("second line\n"), storetest.All()), proxy.Write{}); !errors.Is(err, errUnconfirmed) {
		t.Errorf("APPE: %v", err)
	}
	if _, err := f.SetTime(t.Context(), "/log", time.Unix(1000, 0)); !errors.Is(err, errUnconfirmed) {
		t.Errorf("MFMT: %v", err)
	}
	if _, err := f.Rename(t.Context(), "/log", "/renamed", true); !errors.Is(err, errUnconfirmed) {
		t.Errorf("RNTO: %v", err)
	}
	if got := content(); got != "first line\n" {
		t.Errorf("the file is %q", got)
	}
}

// If a proxy answers the HEAD of an append with 404, the file must not be replaced.
func TestAppendAfter404OfProxy(t *testing.T) {
	f, content := appendedFile(t, func(h http.Handler) http.Handler {
		var once sync.Once
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answered := false
			if r.Method == http.MethodHead {
				once.Do(func() { answered = true; w.WriteHeader(http.StatusNotFound) })
			}
			if !answered {
				h.ServeHTTP(w, r)
			}
		})
	})
	if _, err := f.Put(t.Context(), "/log", storetest.Source(strings.NewReader("second line\n"), storetest.All()), proxy.Write{}); !errors.Is(err, errBusy) {
		t.Errorf("APPE: %v", err)
	}
	if got := content(); got != "first line\n" {
		t.Errorf("the file is %q", got)
	}
}
