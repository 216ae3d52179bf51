package s3fs

import (
	"crypto/md5"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// The table has the result of an upload of a small file if the answer of S3 does not confirm it.
func TestUnconfirmedPut(t *testing.T) {
	const size = 1000
	const ours, others = `"ede3d3b685b4e137ba4cb2521329a75e"`, `"00000000000000000000000000000000"`
	lost := func() (*http.Response, error) { return nil, errors.New("connection reset by peer") }
	refuse := func(status int, code string) func() (*http.Response, error) {
		return func() (*http.Response, error) { return refusal(status, code, ""), nil }
	}
	for name, test := range map[string]struct {
		write   proxy.Write
		answers []func() (*http.Response, error) // to one try after the other; the last one to all that follow
		head    map[string]string                // of the object that is there then; nil = there is none
		want    error
		calls   []string
	}{
		"lost, stored": {answers: answers(lost), head: map[string]string{"ETag": others, "X-Amz-Checksum-Crc32c": crcText(make([]byte, size))},
			calls: []string{"Put x4", "Head"}},
		"lost, stored where no checksum is kept": {answers: answers(lost), head: map[string]string{"ETag": ours},
			calls: []string{"Put x4", "Head"}},
		"lost, stored, with a checksum of parts": {answers: answers(lost),
			head:  map[string]string{"ETag": ours, "X-Amz-Checksum-Crc32c": "AAAAAA==-2", "X-Amz-Checksum-Type": "COMPOSITE"},
			calls: []string{"Put x4", "Head"}},
		"lost, another of the same size is there": {answers: answers(lost), want: errAny,
			head:  map[string]string{"ETag": ours, "X-Amz-Checksum-Crc32c": "AAAAAA=="},
			calls: []string{"Put x4", "Head"}},
		"lost, another is there where no checksum is kept": {answers: answers(lost), want: errAny, head: map[string]string{"ETag": others},
			calls: []string{"Put x4", "Head"}},
		"lost, another size is there": {answers: answers(lost), want: errAny, head: map[string]string{"Content-Length": "999", "ETag": ours},
			calls: []string{"Put x4", "Head"}},
		"lost, nothing is there": {answers: answers(lost), want: errAny, calls: []string{"Put x4", "Head"}},
		"failed, stored": {answers: answers(refuse(500, "InternalError")), head: map[string]string{"ETag": ours},
			calls: []string{"Put x4", "Head"}},
		"refused": {answers: answers(refuse(403, "AccessDenied")), want: fs.ErrPermission, head: map[string]string{"ETag": ours},
			calls: []string{"Put"}},
		"no room": {answers: answers(refuse(507, "XMinioStorageFull")), want: errorsByCode["XMinioStorageFull"], head: map[string]string{"ETag": ours},
			calls: []string{"Put"}},
		"new, and there by the first try": {write: proxy.Write{New: true}, answers: answers(lost, refuse(412, "PreconditionFailed")),
			head: map[string]string{"ETag": ours}, calls: []string{"Put x2", "Head"}},
		"new, and another's by the second try": {write: proxy.Write{New: true}, answers: answers(lost, refuse(412, "PreconditionFailed")),
			want: fs.ErrExist, head: map[string]string{"ETag": others}, calls: []string{"Put x2", "Head"}},
		"new, and the same is there before": {write: proxy.Write{New: true}, answers: answers(refuse(412, "PreconditionFailed")),
			want: fs.ErrExist, head: map[string]string{"ETag": ours}, calls: []string{"Put"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.fault = func(_ *http.Request, call string) (*http.Response, error) {
					if call == "Head" {
						return headAnswer(test.head, size), nil
					}
					answer := test.answers[0]
					if len(test.answers) > 1 {
						test.answers = test.answers[1:]
					}
					return answer()
				}
				f := s.fs(Options{})
				_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size)), test.write)
				if test.want == errAny && err == nil || test.want != errAny && !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				s.checkCalls(test.calls...)
				if f.budget.Stats().Used != 0 {
					t.Errorf("%d bytes of the budget are still in use", f.budget.Stats().Used)
				}
			})
		})
	}
}

func answers(a ...func() (*http.Response, error)) []func() (*http.Response, error) { return a }

// headAnswer returns the answer to HEAD for an object of this size, or of the size in headers.
func headAnswer(headers map[string]string, size int) *http.Response {
	if headers == nil {
		return response(404, "")
	}
	resp := response(200, "")
	resp.Header.Set("Content-Length", strconv.Itoa(size))
	for name, value := range headers {
		resp.Header.Set(name, value)
	}
	return resp
}

// After a CompleteMultipartUpload without confirmation, the object is identified by its ETag or, if ETags are not checksums, by the stored
// checksum of the whole object.
func TestUnconfirmedComplete(t *testing.T) {
	first, second := md5.Sum(make([]byte, minPart)), md5.Sum(make([]byte, twoParts-minPart))
	etag := fmt.Sprintf(`"%x-2"`, md5.Sum(append(first[:], second[:]...)))
	for name, test := range map[string]struct {
		head   map[string]string
		size   int
		stored bool
	}{
		"the ETag of these parts":     {map[string]string{"ETag": etag}, twoParts, true},
		"something shorter":           {map[string]string{"ETag": etag}, 7, false},
		"the checksum of the whole":   {map[string]string{"ETag": `"encrypted"`, "X-Amz-Checksum-Crc32c": crcText(make([]byte, twoParts))}, twoParts, true},
		"another content's, as large": {map[string]string{"ETag": `"encrypted"`, "X-Amz-Checksum-Crc32c": "AAAAAA=="}, twoParts, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.fault = func(_ *http.Request, call string) (*http.Response, error) {
					switch call {
					case "Complete":
						s.open = false
						return nil, errors.New("connection reset by peer")
					case "Head":
						return headAnswer(test.head, test.size), nil
					}
					return nil, nil
				}
				_, err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{})
				if (err == nil) != test.stored {
					t.Errorf("stored: %v, error %v", test.stored, err)
				}
				if got := s.header("Head", "X-Amz-Checksum-Mode"); got != "ENABLED" {
					t.Errorf("checksum mode %q", got)
				}
			})
		})
	}
}
