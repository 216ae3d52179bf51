package s3fs

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// If S3 does not abort a failed upload at first, a retry within an hour does.
func TestAbortIsRetried(t *testing.T) {
	silent := func() (*http.Response, error) { return nil, errors.New("connection reset by peer") }
	for name, test := range map[string]struct {
		answer  func() (*http.Response, error)
		lasts   time.Duration
		ended   bool
		atOnce  bool // asked once only
		another bool // upload is to be ended meanwhile
	}{
		"no answer for ten minutes":           {answer: silent, lasts: 10 * time.Minute, ended: true},
		"no answer, and another one to end":   {answer: silent, lasts: 10 * time.Minute, ended: true, another: true},
		"S3 fails for ten minutes":            {answer: func() (*http.Response, error) { return refusal(503, "SlowDown", ""), nil }, lasts: 10 * time.Minute, ended: true},
		"S3 has too much to do":               {answer: func() (*http.Response, error) { return refusal(429, "TooManyRequests", ""), nil }, lasts: 10 * time.Minute, ended: true},
		"no answer for good":                  {answer: silent, lasts: time.Hour * 1000},
		"S3 refuses, and would do it again":   {answer: func() (*http.Response, error) { return refusal(403, "AccessDenied", ""), nil }, lasts: time.Hour * 1000, atOnce: true},
		"S3 has ended it and lost the answer": {answer: func() (*http.Response, error) { return refusal(404, "NoSuchUpload", ""), nil }, lasts: time.Hour * 1000, atOnce: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				s := newFake(t)
				s.fault = func(_ *http.Request, call string) (*http.Response, error) {
					if call == "Abort" && time.Since(begin) < test.lasts {
						return test.answer()
					}
					return nil, nil
				}
				f := s.fs(Options{PartSize: minPart})
				cut := func() {
					_, err := f.Put(t.Context(), "/f", storetest.Source(io.MultiReader(zeros(twoParts), iotest.ErrReader(errCut))), proxy.Write{})
					if !errors.Is(err, errCut) {
						t.Errorf("error %v", err)
					}
				}
				cut()
				if test.another {
					cut()
				}
				<-time.After(time.Hour)
				synctest.Wait()
				if s.open == test.ended {
					t.Errorf("open: %v", s.open)
				}
				if n := len(slices.DeleteFunc(slices.Clone(s.requests()), func(c string) bool { return c != "Abort" })); test.atOnce != (n == 1) || n > 4*80 {
					t.Errorf("%d requests", n)
				}
				if queue := f.client.background.aborts; (len(queue) > 0) != (!test.ended && !test.atOnce) {
					t.Errorf("%d still to be ended", len(queue))
				}
				closing := time.Now()
				if f.client.Close(); time.Since(closing) > 0 {
					t.Errorf("Close took %v", time.Since(closing))
				}
			})
		})
	}
}
