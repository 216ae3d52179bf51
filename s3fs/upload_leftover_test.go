package s3fs

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// When the last byte has arrived, only a few parts are not sent yet, at any speed of S3 and length of the upload. The client waits for them
// only: Complete follows at once.
func TestFewPartsAreLeftAtTheEnd(t *testing.T) {
	const part, rate = 8 << 20, 4 << 20 // bytes, and a second
	for name, test := range map[string]struct {
		shared bool // the rate is that of all connections together
		sizes  []int64
		most   int64 // bytes left
		turns  int   // parts that one connection sends then, one after the other
		o      Options
	}{
		"a narrow way":          {shared: true, sizes: []int64{45, 101}, most: 4 * part, turns: 4},
		"slow connections":      {sizes: []int64{45, 151}, most: (maxInFlight + 1) * part, turns: 2},
		"parts that have grown": {shared: true, sizes: []int64{151}, most: 2 * 4 * part, turns: 8, o: Options{MaxParts: 200}},
	} {
		for _, size := range test.sizes {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newFake(t)
					w := &slowService{rate: rate, shared: test.shared}
					s.fault = w.fault
					content := toldEnd{io.LimitReader(endless{}, size<<20), func() { w.left, w.end = size<<20-w.taken(), time.Now() }}
					test.o.PartSize, test.o.Resume = part, time.Hour
					if _, err := s.fs(test.o).Put(t.Context(), "/f", storetest.Source(content), proxy.Write{}); err != nil {
						t.Fatal(err)
					}
					wait, most := time.Since(w.end), time.Duration(test.turns)*time.Second*part/rate
					t.Logf("%d MiB are left, and take %v", w.left>>20, wait)
					if w.left > test.most || wait > most+time.Millisecond {
						t.Errorf("%d bytes are left at the end and take %v, want at most %d and %v", w.left, wait, test.most, most)
					}
					if !w.complete.Equal(w.last) {
						t.Errorf("Complete is sent %v after the last part", w.complete.Sub(w.last))
					}
				})
			})
		}
	}
}

// toldEnd records the time at which its content ended.
type toldEnd struct {
	io.Reader
	ended func()
}

func (w toldEnd) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err == io.EOF {
		w.ended()
	}
	return n, err
}

// A slowService receives parts at a given speed.
type slowService struct {
	rate   float64
	shared bool

	mu       sync.Mutex
	free     time.Time // when the way is free
	sum      int64     // that it has taken
	left     int64     // when the last byte had come
	end      time.Time // when it had
	last     time.Time // when the last part was taken
	complete time.Time
}

func (w *slowService) taken() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sum
}

func (w *slowService) fault(r *http.Request, call string) (*http.Response, error) {
	if call == "Complete" {
		w.complete = time.Now()
	}
	if !strings.HasPrefix(call, "Part") {
		return nil, nil
	}
	w.mu.Lock()
	begin := time.Now()
	if w.shared && w.free.After(begin) {
		begin = w.free
	}
	w.free = begin.Add(time.Duration(float64(r.ContentLength) / w.rate * float64(time.Second)))
	done := w.free
	w.mu.Unlock()
	<-time.After(time.Until(done))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sum += r.ContentLength
	w.last = time.Now()
	return nil, nil
}
