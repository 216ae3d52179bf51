package s3fs

import (
	"net/http"
	"strings"
	"testing"
)

// TestRenameKeepsWhatIsStoredLast: what is stored under an old name just before that is deleted stays there.
func TestRenameKeepsWhatIsStoredLast(t *testing.T) {
	f := New(embedded(t, "files"), Options{Bucket: "files"})
	for name, test := range map[string]struct{ from, to, call string }{
		"a file":             {"/file", "/to", "Delete"},
		"a file in parts":    {"/large", "/to", "Delete"},
		"of a directory":     {"/d", "/to", "DeleteMany"},
		"of a failed rename": {"/d", "/to", "DeleteMany"},
	} {
		for key, size := range map[string]int{"file": 3, "large": large, "d/small": 5, "d/large": large} {
			dressed(t, f, key, size)
		}
		failed := name == "of a failed rename"
		key := strings.TrimPrefix(test.from, "/")
		switch {
		case failed:
			key = "to/small"
		case key == "d":
			key = "d/small"
		}
		g := spied(t, f, func(call string, r *http.Request) (*http.Response, error) {
			switch {
			case call == "Part 2" && failed:
				return refusal(403, "AccessDenied", ""), nil
			case call == test.call:
				dressed(t, f, key, 7)
			}
			return nil, nil
		})
		if err := g.Rename(t.Context(), test.from, test.to); (err != nil) != failed {
			t.Errorf("%s: %v", name, err)
		}
		reads(t, f, key, noise(7))
		if key == "d/small" {
			missing(t, f, "/d/large")
			reads(t, f, "to/small", noise(5))
		}
		for _, key := range []string{"to", "to/small", "to/large"} {
			if err := f.delete(t.Context(), key, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRenameOfWhatIsReplaced: what takes the place of a file before it is copied is renamed.
func TestRenameOfWhatIsReplaced(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		f := New(c, Options{Bucket: "files"})
		for call, size := range map[string]int{"Copy": 3, "Part 1": large} {
			dressed(t, f, "a", size)
			replaced := false
			g := spied(t, f, func(now string, _ *http.Request) (*http.Response, error) {
				if now == call && !replaced {
					replaced = true
					dressed(t, f, "a", 7)
				}
				return nil, nil
			})
			if err := g.Rename(t.Context(), "/a", "/b"); err != nil || !replaced {
				t.Errorf("%s: %v, replaced: %v", call, err, replaced)
			}
			reads(t, f, "b", noise(7))
			missing(t, f, "/a")
			noUploads(t, f, "b")
		}
	})
}

// TestDeletionsWithoutConditions is for services that know no conditions on deletions, or not in the way in which S3 does: what is
// unchanged is deleted all the same.
func TestDeletionsWithoutConditions(t *testing.T) {
	unmet := func(code string) *http.Response {
		return response(200, "<DeleteResult><Error><Key>a</Key><Code>"+code+"</Code></Error></DeleteResult>")
	}
	for name, test := range map[string]struct {
		call string // that is answered so, the first time
		resp *http.Response
		made []string
	}{
		"it implements none":               {"Delete", refusal(501, "NotImplemented", ""), []string{"Head", "Delete x2"}},
		"it says nothing but so":           {"Delete", response(501, ""), []string{"Head", "Delete x2"}},
		"it does not want the header":      {"Delete", refusal(400, "InvalidArgument", ""), []string{"Head", "Delete x2"}},
		"it is not met":                    {"Delete", refusal(412, "PreconditionFailed", ""), []string{"Head", "Delete"}},
		"it implements none for several":   {"DeleteMany", refusal(501, "NotImplemented", ""), []string{"DeleteMany x2"}},
		"it does not want the element":     {"DeleteMany", refusal(400, "MalformedXML", ""), []string{"DeleteMany x2"}},
		"it does not want it for one":      {"DeleteMany", unmet("NotImplemented"), []string{"DeleteMany", "Head", "Delete"}},
		"it takes an ETag for another one": {"DeleteMany", unmet("PreconditionFailed"), []string{"DeleteMany", "Head", "Delete"}},
	} {
		s := newFake(t)
		answered := false
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			switch {
			case call == test.call && !answered:
				answered = true
				return test.resp, nil
			case call == "Head":
				return described(1, `"e"`), nil
			case call == "Delete":
				return response(204, ""), nil
			}
			return nil, nil
		}
		f := s.fs(Options{})
		var err error
		if test.call == "Delete" {
			err = f.deleteUnchanged(t.Context(), "a", "e")
		} else {
			err = f.deleteAll(t.Context(), []string{"a", "b"}, versions{"a": "e", "b": "e"})
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.made(test.made...)
		if got := s.header("Delete", "If-Match"); got != `"e"` && got != "no such call" {
			t.Errorf("%s: If-Match %q", name, got)
		}
		if n := strings.Count(s.bodies[0], "e&#34;</ETag>"); test.call == "DeleteMany" && n != 2 {
			t.Errorf("%s: asked to delete %s", name, s.bodies[0])
		}
	}
}
