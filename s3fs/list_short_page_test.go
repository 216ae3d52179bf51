package s3fs

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
)

// S3 may return a page with fewer keys than requested, or none, before further pages.
func TestShortPages(t *testing.T) {
	page := func(next, keys string) *http.Response {
		return response(200, fmt.Sprintf("<ListBucketResult><IsTruncated>%v</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>",
			next != "", next, keys))
	}
	const marker, file = "<Contents><Key>d/</Key><ETag>e</ETag></Contents>", "<Contents><Key>d/x</Key><ETag>e</ETag></Contents>"
	for name, first := range map[string]string{"the marker alone": marker, "nothing": ""} {
		for end, second := range map[string]func() *http.Response{
			"ends":          func() *http.Response { return page("", file) },
			"never goes on": func() *http.Response { return page("n", marker) },
		} {
			s := newFake(t)
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				switch {
				case call != "List":
					return nil, nil
				case r.URL.Query().Get("continuation-token") == "":
					return page("n", first), nil
				}
				return second(), nil
			}
			f := s.fs(Options{})
			want := error(syscall.ENOTEMPTY)
			if end != "ends" {
				want = errUnconfirmed
			}
			if _, err := f.Rmdir(t.Context(), "/d"); !errors.Is(err, want) {
				t.Errorf("RMD, first page with %s, listing %s: %v, want %v", name, end, err, want)
			}
			if is, err := f.Stat(t.Context(), "/d"); err != nil || !is.Dir {
				t.Errorf("first page with %s, listing %s: no directory: %v", name, end, err)
			}
			if _, err := f.reserve(t.Context(), "d/"); err == nil {
				t.Errorf("first page with %s, listing %s: the name is free for a rename", name, end)
			}
		}
	}
}
