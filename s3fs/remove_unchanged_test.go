package s3fs

import (
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A file that is stored at the old name just before the rename deletes it is kept.
func TestRenameKeepsNewFileAtOldName(t *testing.T) {
	f := NewFS(embedded(t, "files"), Options{Bucket: "files"})
	for name, test := range map[string]struct{ from, to, call string }{
		"a file":             {"/file", "/to", "Delete"},
		"a file in parts":    {"/large", "/to", "Delete"},
		"of a directory":     {"/d", "/to", "DeleteMany"},
		"of a failed rename": {"/d", "/to", "DeleteMany"},
	} {
		for key, size := range map[string]int{"file": 3, "large": large, "d/small": 5, "d/large": large} {
			putWithHeaders(t, f, key, size)
		}
		failed := name == "of a failed rename"
		key := strings.TrimPrefix(test.from, "/")
		switch {
		case failed:
			key = "to/small"
		case key == "d":
			key = "d/small"
		}
		g := withSpy(t, f, func(call string, r *http.Request) (*http.Response, error) {
			switch {
			case call == "PartCopy 2" && failed:
				return refusal(403, "AccessDenied", ""), nil
			case call == test.call:
				putWithHeaders(t, f, key, 7)
			}
			return nil, nil
		})
		if _, err := g.Rename(t.Context(), test.from, test.to, true); (err != nil) != failed {
			t.Errorf("%s: %v", name, err)
		}
		checkObject(t, f, key, noise(7))
		if key == "d/small" {
			checkMissing(t, f, "/d/large")
			checkObject(t, f, "to/small", noise(5))
		}
		for _, key := range []string{"to", "to/small", "to/large"} {
			if err := f.delete(t.Context(), key, "", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// If a file is replaced before the copy, the new version is renamed.
func TestRenameOfFileReplacedBeforeCopy(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		f := NewFS(c, Options{Bucket: "files"})
		for call, size := range map[string]int{"Copy": 3, "PartCopy 1": large} {
			putWithHeaders(t, f, "a", size)
			replaced := false
			g := withSpy(t, f, func(now string, _ *http.Request) (*http.Response, error) {
				if now == call && !replaced {
					replaced = true
					putWithHeaders(t, f, "a", 7)
				}
				return nil, nil
			})
			if _, err := g.Rename(t.Context(), "/a", "/b", true); err != nil || !replaced {
				t.Errorf("%s: %v, replaced: %v", call, err, replaced)
			}
			checkObject(t, f, "b", noise(7))
			checkMissing(t, f, "/a")
			checkNoUploads(t, f, "b")
		}
	})
}

// On services that do not support conditions on deletions, or support them differently from S3, unchanged objects are still deleted.
func TestDeletionsWithoutConditions(t *testing.T) {
	unmet := func(code string) *http.Response {
		return response(200, "<DeleteResult><Error><Key>a</Key><Code>"+code+"</Code></Error><Deleted><Key>b</Key></Deleted></DeleteResult>")
	}
	for name, test := range map[string]struct {
		call string // that is answered so, the first time
		resp *http.Response
		made []string
	}{
		"it implements none":               {"Delete", refusal(501, "NotImplemented", ""), []string{"Head", "Delete x2"}},
		"it says nothing but so":           {"Delete", response(501, ""), []string{"Head", "Delete x2"}},
		"it does not want the header":      {"Delete", refusal(400, "InvalidArgument", ""), []string{"Head", "Delete x2"}},
		"it is not met":                    {"Delete", refusal(412, "PreconditionFailed", ""), []string{"Head x2", "Delete"}},
		"it judges the ETag wrongly":       {"Delete", refusal(412, "PreconditionFailed", ""), []string{"Head x2", "Delete x2"}},
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
			case call == "Head" && answered && name == "it is not met":
				return described(1, `"new"`), nil
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
			err = f.deleteUnchanged(t.Context(), "a", "e", nil)
		} else {
			err = f.deleteAll(t.Context(), []string{"a", "b"}, etagsByKey{"a": "e", "b": "e"})
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.checkCalls(test.made...)
		if got := s.header("Delete", "If-Match"); got != `"e"` && got != "no such call" {
			t.Errorf("%s: If-Match %q", name, got)
		}
		if n := strings.Count(s.sent()[0], "e&#34;</ETag>"); test.call == "DeleteMany" && n != 2 {
			t.Errorf("%s: request to delete %s", name, s.sent()[0])
		}
	}
}

// Keys that DeleteObjects could not delete because of a temporary error are deleted one by one. A missing key is not an error, a denied one
// is.
func TestFailedDeletionsAreRetried(t *testing.T) {
	for code, test := range map[string]struct {
		made []string
		want error
	}{
		"InternalError":      {[]string{"DeleteMany", "Head", "Delete"}, nil},
		"SlowDown":           {[]string{"DeleteMany", "Head", "Delete"}, nil},
		"ServiceUnavailable": {[]string{"DeleteMany", "Head", "Delete"}, nil},
		"NoSuchKey":          {[]string{"DeleteMany"}, nil},
		"AccessDenied":       {[]string{"DeleteMany"}, fs.ErrPermission},
	} {
		s := newFake(t)
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			switch call {
			case "DeleteMany":
				return response(200, "<DeleteResult><Error><Key>a</Key><Code>"+code+"</Code></Error><Deleted><Key>b</Key></Deleted></DeleteResult>"), nil
			case "Head":
				return described(1, `"e"`), nil
			case "Delete":
				return response(204, ""), nil
			}
			return nil, nil
		}
		err := s.fs(Options{}).deleteAll(t.Context(), []string{"a", "b"}, etagsByKey{"a": "e", "b": "e"})
		if !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: %v", code, err)
		}
		s.checkCalls(test.made...)
	}
}

// If the answer to DeleteObjects is lost and S3 refuses the retry, HEAD finds the objects that are left.
func TestLostAnswerToDeleteObjects(t *testing.T) {
	for name, refused := range map[string]*http.Response{
		"throttled":     refusal(429, "TooManyRequests", ""),
		"skewed clock":  refusal(403, "RequestTimeTooSkewed", ""),
		"full":          refusal(507, "InsufficientStorage", ""),
		"denied":        refusal(403, "AccessDenied", ""),
		"not any more":  nil,
		"at first, too": refusal(429, "TooManyRequests", ""),
	} {
		for state, deletions := range map[string]int{"deleted": 0, "e": 2, "new": 0} { // "e" = as it was
			s := newFake(t)
			answer := answersInTurn(nil, refused, refused, refused)
			if name == "at first, too" {
				answer = answersInTurn(refused)
			}
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				switch {
				case call == "DeleteMany":
					return answer()
				case call == "Head" && state == "deleted":
					return response(404, ""), nil
				case call == "Head":
					return described(1, `"`+state+`"`), nil
				}
				return nil, nil
			}
			want := name == "at first, too" // S3 has not obeyed
			if want {
				deletions = 0
			}
			err := s.fs(Options{}).deleteAll(t.Context(), []string{"a", "b"}, etagsByKey{"a": "e", "b": "e"})
			if (err != nil) != want || s.count("Delete") != deletions || s.count("Head") == 0 != want {
				t.Errorf("%s, %s: error %v, requests %q", name, state, err, s.requests())
			}
		}
	}
}

// A key that XML cannot represent would be another key in DeleteObjects, so it is deleted singly.
func TestDeletionOfUnrepresentableKeys(t *testing.T) {
	s := newFake(t)
	var deleted []string
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if call != "Delete" {
			return nil, nil
		}
		deleted = append(deleted, r.URL.Path)
		return response(204, ""), nil
	}
	odd := []string{"a\x01b", "a\uFFFEb"}
	for _, key := range odd {
		if err := s.fs(Options{}).deleteAll(t.Context(), []string{"plain\t\r\n<é", key}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"/b/" + odd[0], "/b/" + odd[1]}; !slices.Equal(deleted, want) {
		t.Errorf("deleted singly: %q, want %q", deleted, want)
	}
	for _, body := range s.sent() {
		if strings.Contains(body, "b</Key>") || strings.Contains(body, "\uFFFD") {
			t.Errorf("request to delete %s", body)
		}
	}
}

// If a service does not support DeleteObjects, the objects of a directory are deleted one by one. The same refusal of a single deletion is
// an error.
func TestDeleteObjectsRefused(t *testing.T) {
	for status, code := range map[int]string{501: "NotImplemented", 405: "MethodNotAllowed", 400: "InvalidRequest"} {
		for _, denied := range []bool{false, true} {
			s := newFake(t)
			s.makeTree(2, 1, func(r *http.Request, call string) (*http.Response, error) {
				switch {
				case call == "DeleteMany":
					return refusal(status, code, ""), nil
				case call == "Head" && strings.HasPrefix(r.URL.Path, "/b/d/"):
					return tagged("e" + strings.TrimPrefix(r.URL.Path, "/b/d/")), nil
				case call == "Delete" && denied && strings.HasPrefix(r.URL.Path, "/b/d/"):
					return refusal(403, "AccessDenied", ""), nil
				}
				return nil, nil
			})
			f := s.fs(Options{})
			if _, err := f.Rename(t.Context(), "/d", "/e", true); errors.Is(err, fs.ErrPermission) != denied || err != nil != denied {
				t.Errorf("%d, denied: %v: %v", status, denied, err)
			}
			got := f.client.Refusals()
			if refused := slices.ContainsFunc(got, func(r Refusal) bool { return r.Feature == manyDeletions }); refused == denied {
				t.Errorf("%d, denied: %v: refusals %v", status, denied, got)
			}
		}
	}
}
