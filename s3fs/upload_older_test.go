package s3fs

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A failed upload cannot be resumed after a later change of its name.
func TestSupersededUploadIsNotResumable(t *testing.T) {
	f := NewFS(embedded(t, "files"), Options{Bucket: "files", PartSize: minPart})
	put := func(name string) error {
		return errOf(f.Put(t.Context(), name, storetest.Source(strings.NewReader("whole")), proxy.Write{}))
	}
	moved := func(from, to string) error { return errOf(f.Rename(t.Context(), from, to, true)) }
	for name, do := range map[string]func() error{
		"stored":             func() error { return put("/d/x") },
		"renamed":            func() error { put("/x.tmp"); return moved("/x.tmp", "/d/x") },
		"with its directory": func() error { put("/new/x"); return moved("/new", "/d") },
		"deleted":            func() error { put("/y"); return moved("/y", "/d/x") },
	} {
		broken := func() {
			t.Helper()
			if _, err := f.Put(t.Context(), "/d/x", storetest.Source(io.MultiReader(zeros(2*minPart), iotest.ErrReader(errCut))), proxy.Write{}); err == nil {
				t.Fatal("no error")
			}
		}
		broken()
		if at := resumableSize(t, f, "/d/x"); at != 2*minPart {
			t.Errorf("%s: the resumable size is %d", name, at)
		}
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "deleted" {
			broken()
			if _, err := f.Remove(t.Context(), "/d/x"); err != nil {
				t.Error(err)
			}
		} else if err := moved("/d/x", "/elsewhere"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if at := resumableSize(t, f, "/d/x"); at != 0 {
			t.Errorf("%s: the resumable size of the earlier upload is %d", name, at)
		}
		checkNoUploads(t, f, "d/x")
	}
}
