package s3fs

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestUnconfirmed: an answer that does not tell of what was to be written is no success, whatever its status. Nothing is
// deleted then, and nothing is said to be there.
func TestUnconfirmed(t *testing.T) {
	rename := func(ctx context.Context, f *FS) error { return f.Rename(ctx, "/large", "/copy") }
	setTime := func(ctx context.Context, f *FS) error { return f.SetTime(ctx, "/large", time.Unix(2, 0)) }
	put := func(ctx context.Context, f *FS) error { return f.Put(ctx, "/f", zeros(minPart+1), Write{}) }
	for name, test := range map[string]struct {
		call  string // whose answer tells nothing
		parts bool   // copies are made in these
		do    func(context.Context, *FS) error
	}{
		"a rename":                   {"Copy", false, rename},
		"a rename's upload":          {"Create", true, rename},
		"a rename's part":            {"Part 2", true, rename},
		"a rename's completion":      {"Complete", true, rename},
		"a time":                     {"Copy", false, setTime},
		"a time of a file in parts":  {"Complete", true, setTime},
		"an upload":                  {"Put", false, func(ctx context.Context, f *FS) error { return f.Put(ctx, "/f", zeros(1), Write{}) }},
		"the beginning of an upload": {"Create", false, put},
		"an upload's part":           {"Part 101", false, put},
		"an upload's completion":     {"Complete", false, put},
		"a directory":                {"Put", false, func(ctx context.Context, f *FS) error { return f.Mkdir(ctx, "/e") }},
	} {
		for _, body := range []string{"", "<?xml version=\"1.0\"?>\n   ", "<html>Please log in.</html>", "<R></R>"} {
			s := newFake(t)
			s.copying(func(r *http.Request, call string) (*http.Response, error) {
				if call == test.call {
					return response(200, body), nil
				}
				if call == "Part 101" || call == "Part 102" {
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
			if slices.Contains(s.calls, "Delete") {
				t.Errorf("%s, answered %q: the source was deleted", name, body)
			}
		}
	}
}

// TestUnconfirmedButMade: the object tells, as it does when there was no answer at all.
func TestUnconfirmedButMade(t *testing.T) {
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
	if err := s.fs(Options{}).Rename(t.Context(), "/large", "/copy"); err != nil {
		t.Error(err)
	}
	s.made("Head x4", "List", "Copy", "Delete")
}
