package s3fs

import (
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"syscall"
	"testing"
)

// The size of a file costs one request, also if there is no file.
func TestFileSize(t *testing.T) {
	s := newFake(t)
	var calls []string
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		calls = append(calls, call)
		switch {
		case call == "Head" && r.URL.Path == "/b/d/f":
			return headAnswer(map[string]string{"ETag": `"e"`}, 5), nil
		case call == "Head" && r.URL.Path == "/b/d/denied":
			return response(403, ""), nil
		}
		return response(404, ""), nil
	}
	f := s.fs(Options{})
	for name, want := range map[string]error{
		"/d/f": nil, "/d": fs.ErrNotExist, "/missing": fs.ErrNotExist, "/d/denied": fs.ErrPermission, "/": syscall.EISDIR, "/\x00": fs.ErrInvalid,
	} {
		calls = nil
		size, err := f.FileSize(t.Context(), name)
		if !errors.Is(err, want) || want == nil && size != 5 {
			t.Errorf("%s: %d, %v; want %v", name, size, err, want)
		}
		if isKey := name != "/" && name != "/\x00"; !slices.Equal(calls, []string{"Head"}) && isKey {
			t.Errorf("%s: the requests %v", name, calls)
		}
	}
}
