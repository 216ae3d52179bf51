package s3fs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// twoZeros is the ETag of an object of two parts with the ETags 0.
const twoZeros = `"70bc8f4b72a86921468bf8e8441dce51-2"`

// copying prepares the fake with the file /large of two parts, for a copy to /copy, and calls fault first for each request. The copy
// exists once it is completed.
func (s *fake) copying(fault func(*http.Request, string) (*http.Response, error)) {
	completed := false
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		resp, err := fault(r, call)
		if call == "Complete" && (resp == nil || resp.Header.Get("X-Done") != "") {
			completed = true
		}
		source, target := strings.HasSuffix(r.URL.Path, "/large"), strings.HasSuffix(r.URL.Path, "/copy")
		switch {
		case resp != nil || err != nil:
			return resp, err
		case call == "Head" && source:
			return described(2*minPart, `"e"`), nil
		case call == "Head" && target && completed:
			return described(2*minPart, twoZeros), nil
		case call == "Head":
			return response(404, ""), nil
		case call == "List":
			return response(200, "<ListBucketResult></ListBucketResult>"), nil
		case strings.HasPrefix(call, "PartCopy "):
			return response(200, "<CopyPartResult><ETag>&quot;"+strings.Repeat("0", 32)+"&quot;</ETag></CopyPartResult>"), nil
		case call == "Complete":
			return response(200, "<R><ETag>"+twoZeros+"</ETag></R>"), nil
		}
		return nil, nil
	}
}

// described returns an answer to HeadObject.
func described(size int64, etag string) *http.Response {
	resp := response(200, "")
	resp.ContentLength = size
	resp.Header.Set("Content-Length", fmt.Sprint(size))
	resp.Header.Set("ETag", etag)
	resp.Header.Set("X-Amz-Meta-Mtime", "1")
	return resp
}

// done marks the answer of a fault, so that the fake executes the request nevertheless.
func done(resp *http.Response) *http.Response {
	resp.Header.Set("X-Done", "1")
	return resp
}

// If the copy of a file in parts fails, the source is deleted only after HEAD has confirmed the complete copy, and the multipart upload is
// aborted if possible.
func TestLargeCopyFaults(t *testing.T) {
	const (
		all      = "Abort, Create, Complete, Delete, PartCopy 1, PartCopy 2"
		moved    = "Create, Complete, Delete, PartCopy 1, PartCopy 2"
		copied   = "Create, Complete, PartCopy 1, PartCopy 2"
		undone   = "Abort, Create, Complete, PartCopy 1, PartCopy 2"
		partless = "Abort, Create, PartCopy 1, PartCopy 2"
	)
	refuse := func(status int, code string) *http.Response { return refusal(status, code, "") }
	for name, test := range map[string]struct {
		call string
		resp *http.Response // to that call
		want error
		made string // of all
	}{
		"nothing":                         {made: moved},
		"the source has changed":          {"PartCopy 2", refuse(412, "PreconditionFailed"), errAny, partless},
		"an error in a 200 to a part":     {"PartCopy 1", refuse(200, "InternalFault"), errAny, partless},
		"no upload":                       {"Create", refuse(403, "AccessDenied"), fs.ErrPermission, "Create"},
		"not completed":                   {"Complete", refuse(400, "InvalidPart"), errAny, undone},
		"an error in a 200 to Complete":   {"Complete", refuse(200, "InternalFault"), errAny, undone},
		"completed, but the answer lost":  {"Complete", done(refuse(400, "RequestTimeout")), nil, moved},
		"completed, and repeated":         {"Complete", done(refuse(404, "NoSuchUpload")), nil, moved},
		"completed, but of another size":  {"Head /b/copy", described(10, twoZeros), errAny, undone},
		"completed, but written over":     {"Head /b/copy", described(2*minPart, `"other"`), errAny, undone},
		"completed, but HEAD is denied":   {"Head /b/copy", response(403, ""), fs.ErrPermission, undone},
		"the source changes before HEAD":  {"Head /b/large the second time", described(2*minPart, `"new"`), nil, all},
		"the source is written meanwhile": {"Head /b/large at the end", described(2*minPart, `"new"`), nil, copied},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				heads := 0
				s.copying(func(r *http.Request, call string) (*http.Response, error) {
					if call == "Head" {
						heads++
						call += " " + r.URL.Path + map[int]string{2: " the second time", 4: " at the end"}[heads]
					}
					if call == test.call {
						return test.resp, nil
					}
					return nil, nil
				})
				_, err := inSmallParts(s.fs(Options{})).Rename(t.Context(), "/large", "/copy", true)
				if (err != nil) != (test.want != nil) || test.want != errAny && !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				for call := range strings.SplitSeq(all, ", ") {
					if got := slices.Contains(s.requests(), call); got != strings.Contains(test.made, call) {
						t.Errorf("%s was called: %v", call, got)
					}
				}
			})
		})
	}
}

// If S3 has not completed the copy that sets a time, SetTime must not take the old object, with the same content, for the copy.
func TestSetTimeFailsIfCopyIsNotCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.copying(func(r *http.Request, call string) (*http.Response, error) {
			switch call {
			case "Head":
				return described(2*minPart, twoZeros), nil
			case "Complete":
				return refusal(500, "InternalError", ""), nil
			}
			return nil, nil
		})
		if _, err := inSmallParts(s.fs(Options{})).SetTime(t.Context(), "/large", time.Unix(2, 0)); err == nil {
			t.Error("no error")
		}
		if got := s.header("Complete", "If-Match"); got != twoZeros {
			t.Errorf("If-Match: %s", got)
		}
	})
}

// A limited number of parts is copied at the same time, and no further one after a failure.
func TestConcurrentPartCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		third, others := make(chan struct{}), make(chan struct{})
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			switch call {
			case "Create", "Abort":
				return nil, nil
			case "PartCopy 3":
				<-third
				return refusal(403, "AccessDenied", ""), nil
			}
			<-others
			return response(200, `<R><ETag>"00"</ETag></R>`), nil
		}
		f := inSmallParts(s.fs(Options{}))
		ended := make(chan error)
		go func() {
			as := &s3.CreateMultipartUploadInput{Key: aws.String("to")}
			_, err := f.copyInParts(t.Context(), object{key: "k", size: 50 * minPart, etag: "e"}, as, condition{}, f.newNameLock("to"))
			ended <- err
		}()
		for _, gate := range []chan struct{}{third, others} {
			synctest.Wait()
			if n := len(s.requests()) - 1; n != maxConcurrentCopies {
				t.Errorf("%d parts were begun, want %d", n, maxConcurrentCopies)
			}
			close(gate)
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("error %v", err)
		}
		if n := len(s.requests()) - 2; n != maxConcurrentCopies || s.requests()[n+1] != "Abort" {
			t.Errorf("%d parts were begun, the last request was %s", n, s.requests()[n+1])
		}
	})
}
