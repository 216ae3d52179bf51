package s3fs

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

func TestConcurrencyFindsOptimum(t *testing.T) {
	for name, test := range map[string]struct {
		client   time.Duration           // a buffer
		took     func(int) time.Duration // for a part, so many being in flight
		least    int
		mostWant int
	}{
		"S3 keeps up":                  {client: 10 * time.Millisecond, took: func(int) time.Duration { return 50 * time.Millisecond }, least: 1, mostWant: 2},
		"connections are the limit":    {client: time.Millisecond, took: func(int) time.Duration { return time.Second }, least: 6, mostWant: 8},
		"the service as a whole is it": {client: time.Millisecond, took: func(n int) time.Duration { return time.Duration(n) * time.Second / 2 }, least: 2, mostWant: 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				inFlight, most := 0, 0
				s.fault = func(r *http.Request, call string) (*http.Response, error) {
					if call[:4] != "Part" {
						return nil, nil
					}
					s.mu.Lock()
					inFlight++
					most = max(most, inFlight)
					n := inFlight
					s.mu.Unlock()
					<-time.After(test.took(n))
					s.mu.Lock()
					inFlight--
					s.mu.Unlock()
					return nil, nil
				}
				content := slow{io.LimitReader(endless{}, 250<<20), test.client}
				if _, err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f", storetest.Source(content), proxy.Write{}); err != nil {
					t.Fatal(err)
				}
				if most < test.least || most > test.mostWant {
					t.Errorf("at most %d parts in flight, want %d to %d", most, test.least, test.mostWant)
				}
			})
		})
	}
}
