package s3fs

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// If the service does not support conditions, HEAD checks just before the upload is published that a name which must be new is free.
func TestNewNameWithoutConditions(t *testing.T) {
	for call, size := range map[string]int{"Put": 10, "Complete": twoParts} {
		for _, code := range []string{"NotImplemented", "InvalidArgument", "InvalidRequest"} {
			s := newFake(t)
			s.fault = refusing(func(r *http.Request, now string) bool {
				return now == call && r.Header.Get("If-None-Match") != ""
			}, 400, code, "")
			f := s.fs(Options{PartSize: minPart})
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size)), proxy.Write{New: true}); err != nil {
				t.Errorf("%s, %s: %v", call, code, err)
			}
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size+1)), proxy.Write{New: true}); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%s, %s: a name that is taken: %v", call, code, err)
			}
			if s.objects["/b/f"] != int64(size) {
				t.Errorf("%s, %s: %d bytes", call, code, s.objects["/b/f"])
			}
		}
	}
}

// A service that compares an ETag including its quotes reports a failed condition although it holds. HEAD then checks it, and the append is
// published unless the file has changed.
func TestWronglyFailedCondition(t *testing.T) {
	for name, test := range map[string]struct {
		now  string // the ETag when the service is asked again
		want error
	}{"it holds": {`"v1"`, nil}, "it has changed": {`"v2"`, syscall.EBUSY}} {
		s := newFake(t)
		refused := false
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch {
			case call == "Head" && !refused:
				return headAnswer(map[string]string{"ETag": `"v1"`}, 4), nil
			case call == "Head":
				return headAnswer(map[string]string{"ETag": test.now}, 4), nil
			case call == "Get":
				resp := tagged("v1")
				resp.ContentLength, resp.Body = 4, io.NopCloser(strings.NewReader("kept"))
				return resp, nil
			case call == "Put" && r.Header.Get("If-Match") != "":
				refused = true
				return refusal(412, "PreconditionFailed", ""), nil
			}
			return nil, nil
		}
		if _, err := s.fs(Options{}).Put(t.Context(), "/f", storetest.Source(zeros(3), storetest.All()), proxy.Write{}); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
		if _, published := s.objects["/b/f"]; published != (test.want == nil) {
			t.Errorf("%s: published: %v", name, published)
		}
	}
}

// If the service refuses the checksums of CompleteMultipartUpload, the upload is completed without them, and the next one sends none.
func TestCompleteWithoutChecksums(t *testing.T) {
	for _, status := range []int{400, 501, 500} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(_ *http.Request, call string) (*http.Response, error) {
				switch {
				case call != "Complete" || !strings.Contains(s.sent()[len(s.sent())-1], "Checksum"):
					return nil, nil
				case status == 500:
					return response(500, "<html>Unrecognized field</html>"), nil
				}
				return refusal(status, "NotImplemented", ""), nil
			}
			f := s.fs(Options{PartSize: minPart})
			for range 2 {
				if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{}); err != nil {
					t.Fatalf("%d: %v", status, err)
				}
			}
			want := map[int]int{400: 3, 501: 3, 500: attempts + 2}[status]
			if n := s.count("Complete"); n != want {
				t.Errorf("%d: %d Complete requests, want %d", status, n, want)
			}
		})
	}
}
