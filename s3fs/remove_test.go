package s3fs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// answersInTurn returns the answers in order, and then the last one again. A nil answer is lost.
func answersInTurn(answers ...*http.Response) func() (*http.Response, error) {
	n := 0
	return func() (*http.Response, error) {
		a := answers[min(n, len(answers)-1)]
		n++
		if a == nil {
			return nil, syscall.ECONNRESET
		}
		text, err := io.ReadAll(a.Body)
		a.Body = io.NopCloser(bytes.NewReader(text)) // for the next one
		again := *a
		again.Body = io.NopCloser(bytes.NewReader(text))
		return &again, err
	}
}

// Remove deletes the version that HEAD has described. If S3 reports that it was replaced, HEAD describes the new version, which is then
// deleted. A retry does not delete a version that was stored after the first try.
func TestRemoveConditions(t *testing.T) {
	const same, changed = "e", "new"
	heads := func(etags ...string) []string { return etags } // "" = gone, - = one without an ETag
	refused := func(status int, code string) *http.Response { return refusal(status, code, "") }
	deleted := response(204, "")
	unmet := func() *http.Response { return refused(412, "PreconditionFailed") }
	for name, test := range map[string]struct {
		answers []*http.Response
		heads   []string // the ETags that HEAD tells
		want    error
		matches []string // If-Match of the deletions
	}{
		"unchanged":                       {[]*http.Response{deleted}, heads(same), nil, []string{same}},
		"without an ETag":                 {[]*http.Response{deleted}, heads("-"), nil, []string{""}},
		"changed":                         {[]*http.Response{unmet(), deleted}, heads(same, changed), nil, []string{same, changed}},
		"changed again":                   {[]*http.Response{unmet(), unmet()}, heads(same, changed, "third"), syscall.EBUSY, []string{same, changed}},
		"deleted by another session":      {[]*http.Response{refused(404, "NoSuchKey")}, heads(same), nil, []string{same}},
		"changed, then deleted":           {[]*http.Response{unmet()}, heads(same, ""), nil, []string{same}},
		"an answer lost, another stored":  {[]*http.Response{nil, unmet()}, heads(same, changed), nil, []string{same, same}},
		"an answer lost, nothing stored":  {[]*http.Response{nil, refused(404, "NoSuchKey")}, heads(same), nil, []string{same, same}},
		"throttled, then changed":         {[]*http.Response{refused(429, "Slow"), unmet(), deleted}, heads(same, changed), nil, []string{same, same, changed}},
		"the condition is not known":      {[]*http.Response{refused(501, "NotImplemented"), deleted}, heads(same), nil, []string{same, ""}},
		"the condition is judged wrongly": {[]*http.Response{unmet(), deleted}, heads(same), nil, []string{same, ""}},
		"denied":                          {[]*http.Response{refused(403, "AccessDenied")}, heads(same), fs.ErrPermission, []string{same}},
	} {
		s := newFake(t)
		answer, n := answersInTurn(test.answers...), 0
		var matches []string
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch call {
			case "Delete":
				matches = append(matches, strings.Trim(r.Header.Get("If-Match"), `"`))
				return answer()
			case "Head":
				etag := test.heads[min(n, len(test.heads)-1)]
				switch n++; etag {
				case "":
					return response(404, ""), nil
				case "-":
					return dated(""), nil
				}
				return described(1, fmt.Sprintf("%q", etag)), nil
			}
			return nil, nil
		}
		f := s.fs(Options{})
		if _, err := f.Remove(t.Context(), "/f"); !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
		if !slices.Equal(matches, test.matches) {
			t.Errorf("%s: deletions of %q, want %q", name, matches, test.matches)
		}
		if refused := len(f.client.Refusals()) > 0; refused != strings.HasPrefix(name, "the condition") {
			t.Errorf("%s: refusals %v", name, f.client.Refusals())
		}
		awaitCleanUps(t, f)
	}
}

// Rmdir deletes the version of the marker that the listing has shown, and Rename the marker that it has stored. If the marker was replaced,
// Rmdir lists again, and Rename keeps it.
func TestMarkerConditions(t *testing.T) {
	const same, changed, full, gone = "e", "new", "full", ""
	unmet := func() *http.Response { return refusal(412, "PreconditionFailed", "") }
	denied := func() *http.Response { return refusal(403, "AccessDenied", "") }
	deleted := response(204, "")
	listing := func(etag string) *http.Response {
		switch etag {
		case gone:
			return response(200, "<ListBucketResult></ListBucketResult>")
		case full:
			return response(200, "<ListBucketResult><Contents><Key>d/</Key><ETag>e</ETag></Contents><Contents><Key>d/f</Key><ETag>f</ETag></Contents></ListBucketResult>")
		}
		return response(200, "<ListBucketResult><Contents><Key>d/</Key><ETag>"+etag+"</ETag></Contents></ListBucketResult>")
	}
	for name, test := range map[string]struct {
		answers  []*http.Response
		later    string // the listing after the first deletion
		want     error
		matches  []string // If-Match of the deletions by RMD
		released []string // and by a rename
	}{
		"unchanged":               {[]*http.Response{deleted}, gone, nil, []string{same}, []string{same}},
		"made anew":               {[]*http.Response{unmet(), deleted}, changed, nil, []string{same, changed}, []string{same}},
		"made anew, and again":    {[]*http.Response{unmet(), unmet()}, changed, syscall.EBUSY, []string{same, changed}, []string{same}},
		"no longer empty":         {[]*http.Response{unmet()}, full, syscall.ENOTEMPTY, []string{same}, nil},
		"deleted meanwhile":       {[]*http.Response{unmet()}, gone, nil, []string{same}, []string{same}},
		"an answer lost":          {[]*http.Response{nil, unmet()}, changed, nil, []string{same, same}, []string{same, same}},
		"judged wrongly":          {[]*http.Response{unmet(), deleted}, same, nil, []string{same, ""}, []string{same, ""}},
		"reading is not allowed":  {[]*http.Response{denied(), deleted}, same, nil, []string{same, ""}, []string{same, ""}},
		"deleting is not allowed": {[]*http.Response{denied()}, same, fs.ErrPermission, []string{same, ""}, []string{same, ""}},
	} {
		for op, want := range map[string][]string{"RMD": test.matches, "a rename": test.released} {
			if want == nil {
				continue
			}
			s := newFake(t)
			answer := answersInTurn(test.answers...)
			var matches []string
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				switch {
				case call == "Delete":
					matches = append(matches, strings.Trim(r.Header.Get("If-Match"), `"`))
					return answer()
				case call == "List" && len(matches) == 0:
					return listing(same), nil
				case call == "List" && name == "made anew, and again":
					return listing(fmt.Sprint(changed, strings.Repeat("er", len(matches)-1))), nil
				case call == "List":
					return listing(test.later), nil
				case call == "Head" && strings.HasSuffix(r.URL.Path, "/") && test.later != gone:
					return described(0, fmt.Sprintf("%q", test.later)), nil
				}
				return nil, nil
			}
			f := s.fs(Options{})
			if op == "a rename" {
				f.deleteReservationMarker(t.Context(), "d/", same)
			} else if _, err := f.Rmdir(t.Context(), "/d"); !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("%s: error %v, want %v", name, err, test.want)
			}
			if !slices.Equal(matches, want) {
				t.Errorf("%s: %s: deletions of %q, want %q", name, op, matches, want)
			}
			if n := s.count("List"); op == "RMD" && name == "unchanged" && n != 1 {
				t.Errorf("%d listings, want 1", n)
			}
		}
	}
}
