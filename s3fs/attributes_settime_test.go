package s3fs

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// Another session of the process replaces or deletes the file while SetTime copies its parts, on a service that ignores the condition of
// CompleteMultipartUpload. SetTime must not undo that.
func TestSetTimeDoesNotUndoChangeOfOtherSession(t *testing.T) {
	for what, meanwhile := range map[string]func(context.Context, *FS) error{
		"STOR": func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/l", storetest.Source(strings.NewReader("new")), proxy.Write{}))
		},
		"DELE": func(ctx context.Context, f *FS) error { return errOf(f.Remove(ctx, "/l")) },
	} {
		store := embeddedStore(t, s3demo.Options{}, "files")
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name(r) == "Complete" {
				r.Header.Del("If-Match")
			}
			store.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		var f *FS
		var once sync.Once
		f = inSmallParts(otherProcess(t, dial(t, Config{Endpoint: server.URL, Credentials: keys("a", "s")}), func(string) {}, func(call string) {
			if call == "PartCopy 2" {
				once.Do(func() {
					if err := meanwhile(t.Context(), f); err != nil {
						t.Error(err)
					}
				})
			}
		}))
		if _, err := f.Put(t.Context(), "/l", storetest.Source(zeros(2*minPart)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.SetTime(t.Context(), "/l", time.Unix(1000, 0)); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("MFMT beside %s: %v", what, err)
		}
		switch is, err := f.Stat(t.Context(), "/l"); {
		case what == "STOR" && (err != nil || is.Size != 3):
			t.Errorf("the stored file: %v, %v", is, err)
		case what == "DELE" && err == nil:
			t.Error("the deleted file is back")
		}
	}
}
