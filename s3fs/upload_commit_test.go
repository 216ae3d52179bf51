package s3fs

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// If S3 does not answer the request that publishes, and all further ones, the upload ends after the time that docs/requests.md gives.
func TestCommitsAreBounded(t *testing.T) {
	for last, size := range map[string]int{"Put": minPart + 10, "Complete": 3*minPart + 10} {
		t.Run(last, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				var silent atomic.Bool
				s.fault = func(r *http.Request, call string) (*http.Response, error) {
					if call == last {
						silent.Store(true)
					}
					if silent.Load() {
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					return nil, nil
				}
				begun := time.Now()
				_, err := s.fs(Options{Resume: time.Hour, PartSize: 2 * minPart}).Put(t.Context(), "/f", storetest.Source(zeros(size)), proxy.Write{})
				if took := time.Since(begun); err == nil || took < time.Minute || took > publishTimeout+time.Minute {
					t.Errorf("%v after %v, want at most a minute after %v", err, took, publishTimeout)
				}
			})
		})
	}
}
