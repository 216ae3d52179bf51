package s3fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/quirks"
)

// strangeAnswers are successful answers of a proxy, a captive portal or a broken service instead of S3.
var strangeAnswers = map[string]func() *http.Response{
	"nothing":     func() *http.Response { return response(200, "") },
	"no content":  func() *http.Response { return response(204, "") },
	"a page":      func() *http.Response { return typed("text/html", "<html><body>Please log in.</body></html>") },
	"half a page": func() *http.Response { return typed("text/html", "<html><hr><p>Please log in") },
	"JSON":        func() *http.Response { return typed("application/json", `{"ok":true}`) },
	"another answer": func() *http.Response {
		return typed("application/xml", "<ListAllMyBucketsResult></ListAllMyBucketsResult>")
	},
	"an error": func() *http.Response { return typed("application/xml", "<Error><Code>InternalError</Code></Error>") },
}

func typed(contentType, body string) *http.Response {
	resp := response(200, body)
	resp.Header.Set("Content-Type", contentType)
	return resp
}

// answeredStrangely are the operations to test with such answers.
func answeredStrangely() []change {
	large := func(ctx context.Context, f *FS) error {
		return errOf(f.Put(ctx, "/l", storetest.Source(zeros(twoParts)), proxy.Write{}))
	}
	return []change{
		stor("/a", "a2"), stou("/n"), appe("/a"), dele("/a"), mfmt("/a"), rnto("/a", "/n"), rnto("/d", "/n"), mkd("/n"), rmd("/m"),
		{"STOR of parts", large},
		{"APPE to parts", func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/large", storetest.Source(strings.NewReader("+"), storetest.All()), proxy.Write{}))
		}},
		{"RNTO of parts", func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/large", "/n", true)) }},
		{"MFMT of parts", func(ctx context.Context, f *FS) error { return errOf(f.SetTime(ctx, "/large", time.Unix(1000, 0))) }},
		{"SIZE", func(ctx context.Context, f *FS) error { _, err := f.Stat(ctx, "/a"); return err }},
		{"LIST", func(ctx context.Context, f *FS) error {
			n := 0
			for _, err := range f.List(ctx, "/d", "") {
				if err != nil {
					return err
				}
				n++
			}
			if n != 2 {
				return fmt.Errorf("%d entries", n)
			}
			return nil
		}},
		{"RETR", func(ctx context.Context, f *FS) error {
			r, err := f.Open(ctx, "/a", proxy.Range{})
			if err != nil {
				return err
			}
			defer r.Close()
			text, err := io.ReadAll(r)
			if err == nil && string(text) != "a1" {
				return fmt.Errorf("read %q: %w", text, errTold)
			}
			return err
		}},
	}
}

// errTold means that an operation returned a wrong result without an error.
var errTold = errors.New("wrong result")

// Each request of each operation gets each of these answers, with and without being executed by S3. No operation may report a success that
// it did not have, lose a file, or report an existing file as missing.
func TestStrangeAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("every answer to every request takes minutes with the race detector")
	}
	for _, op := range answeredStrangely() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			handler := quirks.Wrap(embeddedStore(t, s3demo.Options{}, "pairs"), quirks.Named("conditions-ignored-copy-delete"))
			synctest.Test(t, func(t *testing.T) {
				s := &stranger{pairing: pairing{handler: handler, there: []change{
					stor("/a", "a1"), stor("/d/x", "x1"), stor("/d/y", "y1"), mkd("/m"), stor("/large", strings.Repeat("l", 3<<20)),
				}}}
				s.client = dial(t, Config{Endpoint: "http://pairs", Credentials: keys(quirks.AccessKey, quirks.SecretKey), HTTPClient: s, MaxBackoff: time.Millisecond})
				s.answer = func(string) *http.Response { return nil }
				want, err := s.run(t, op)
				if err != nil {
					t.Fatal(err)
				}
				for _, call := range slices.Compact(slices.Sorted(slices.Values(s.calls))) {
					for name, answer := range strangeAnswers {
						for _, obeyed := range []bool{false, true} {
							s.strange(t, op, want, call, name, answer, obeyed)
						}
					}
				}
			})
		})
	}
}

// A stranger answers requests instead of S3.
type stranger struct {
	pairing
	mu     sync.Mutex
	answer func(call string) *http.Response // nil = S3's
	obeyed bool                             // S3 gets the request all the same
	calls  []string
}

// Do implements s3.HTTPClient.
func (s *stranger) Do(r *http.Request) (*http.Response, error) {
	call, _, _ := strings.Cut(name(r), " ")
	var resp *http.Response
	if r.Context().Value(sideKey{}) != nil {
		s.mu.Lock()
		s.calls = append(s.calls, call)
		s.mu.Unlock()
		resp = s.answer(call)
	}
	if resp == nil {
		return s.pairing.Do(r)
	}
	if r.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	if s.obeyed {
		s.pairing.Do(r)
	} else if r.Body != nil {
		io.Copy(&bytes.Buffer{}, r.Body)
	}
	return resp, nil
}

// run runs an operation in a new FS, and returns its outcome.
func (s *stranger) run(t *testing.T, op change) (string, error) {
	f := inSmallParts(s.fresh(t))
	f.copyLimit, f.partCopySize = 2<<20, 2<<20
	err := op.do(context.WithValue(t.Context(), sideKey{}, "strange"), f)
	awaitCleanUps(t, f)
	s.client.features.mu.Lock()
	clear(s.client.features.refused)
	s.client.features.mu.Unlock()
	return s.outcome(t, f), err
}

// strange runs an operation with such answers to some of its requests.
func (s *stranger) strange(t *testing.T, op change, want, call, name string, answer func() *http.Response, obeyed bool) {
	s.obeyed = obeyed
	s.answer = func(c string) *http.Response {
		if c == call {
			return answer()
		}
		return nil
	}
	got, err := s.run(t, op)
	what := fmt.Sprintf("%s answered by %s, obeyed: %v", call, name, obeyed)
	if !strings.HasPrefix(op.name, "MKD") {
		got = strings.Replace(got, " n/=", "", 1) // a directory may keep the marker that reserved its name
	}
	switch {
	case err == nil && call == "Delete" && name == "no content": // the answer of S3
	case err == nil && got != want:
		t.Errorf("%s: no error\ngot  %.300s\nwant %.300s", what, got, want)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errTold):
		t.Errorf("%s: %v", what, err)
	}
	for _, content := range []string{"a1", "x1", "y1", "lllll"} {
		if strings.Contains(want, content) && !strings.Contains(got, content) {
			t.Errorf("%s: %q is lost, and the error is %v\ngot  %.300s", what, content, err, got)
		}
	}
}
