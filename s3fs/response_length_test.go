package s3fs

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// lengthless returns an answer with a chunked body.
func lengthless(body io.Reader) *http.Response {
	resp := response(200, "")
	resp.Header.Set("ETag", `"e"`)
	resp.ContentLength, resp.Body = -1, io.NopCloser(body)
	return resp
}

// An answer to GET without Content-Length is used if HEAD has the length, and if the body has this length.
func TestGetWithoutLength(t *testing.T) {
	cut := io.MultiReader(strings.NewReader("hel"), errReader{io.ErrUnexpectedEOF})
	for name, test := range map[string]struct {
		body io.Reader
		head *http.Response
		want string
	}{
		"as HEAD says":      {strings.NewReader("hello"), described(5, `"e"`), "hello"},
		"empty":             {strings.NewReader(""), described(0, `"e"`), ""},
		"not empty":         {strings.NewReader("h"), described(0, `"e"`), "error"},
		"longer":            {strings.NewReader("hello, world"), described(5, `"e"`), "error"},
		"shorter":           {strings.NewReader("hell"), described(5, `"e"`), "error"},
		"cut":               {cut, described(5, `"e"`), "error"},
		"another version":   {strings.NewReader("hello"), described(5, `"new"`), "error"},
		"HEAD does not say": {strings.NewReader("hello"), lengthless(http.NoBody), "error"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				switch {
				case call == "Head":
					return test.head, nil
				case r.Header.Get("Range") != "":
					return refusal(400, "InvalidRequest", "no ranges"), nil
				}
				return lengthless(test.body), nil
			}
			var got []byte
			r, err := s.fs(Options{}).Open(t.Context(), "/f", proxy.Range{})
			if err == nil {
				got, err = io.ReadAll(r)
				r.Close()
			}
			if test.want == "error" && err == nil || test.want != "error" && (err != nil || string(got) != test.want) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// Objects that Google would decompress are requested as they are stored, also in ranges.
func TestCompressedObjectsAreReadAsStored(t *testing.T) {
	var stored bytes.Buffer
	z := gzip.NewWriter(&stored)
	z.Write(bytes.Repeat([]byte("hello "), 1000))
	z.Close()
	for _, offset := range []int{0, 7} {
		s := newFake(t)
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			resp := lengthless(strings.NewReader("uncompressed"))
			resp.Header.Set("X-Goog-Stored-Content-Encoding", "gzip")
			resp.Header.Set("X-Goog-Stored-Content-Length", fmt.Sprint(stored.Len()))
			switch {
			case call == "Head":
				resp.Body = http.NoBody
			case r.Header.Get("Accept-Encoding") == "gzip":
				if strings.Contains(signedHeaders(r.Header), "accept-encoding") {
					t.Error("the signature covers Accept-Encoding")
				}
				resp = tagged("e")
				rest := stored.Bytes()[offset:]
				resp.Header.Set("Content-Length", fmt.Sprint(len(rest)))
				resp.Body = io.NopCloser(bytes.NewReader(rest))
				if offset > 0 {
					resp.StatusCode = 206
					resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, stored.Len()-1, stored.Len()))
				}
			}
			return resp, nil
		}
		f := s.fs(Options{})
		if is, err := f.head(t.Context(), "f"); err != nil || is.size != int64(stored.Len()) {
			t.Errorf("HEAD: %v, %v", is, err)
		}
		r, err := f.Open(t.Context(), "/f", proxy.Range{Offset: int64(offset)})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, stored.Bytes()[offset:]) {
			t.Errorf("from %d on: %d bytes, %v", offset, len(got), err)
		}
	}
}
