package s3fs

import (
	"cmp"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

const mib = 1 << 20

// slowS3 is 60 MB/s for one connection.
const slowS3 = 4 * time.Millisecond

// later ranges are asked for from here on, at the earliest, when S3 is slow: one span decides, another goes on.
const firstSpan = 2 * rangeSize

func TestDownloadInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 250*mib + 5
		s := newObjectFake(t, size)
		s.pause = slowS3
		w, begin := &taker{}, time.Now()
		if err := w.take(t, s.fs(Options{})); err != nil || w.at != size {
			t.Errorf("%d bytes, %v", w.at, err)
		}
		one := slowS3 * size / budget.BufferSize
		if took := time.Since(begin); took > one/3 {
			t.Errorf("it took %v; with one stream, %v", took, one)
		}
		if s.most != maxParallel {
			t.Errorf("%d at most at a time, want %d", s.most, maxParallel)
		}
		second := slices.MinFunc(s.gets[1:], func(a, b *getFake) int { return cmp.Compare(a.first, b.first) })
		if s.gets[0].first != 0 || s.gets[0].ifMatch != "" || second.first != firstSpan {
			t.Errorf("the first request from %d, the next from %d", s.gets[0].first, second.first)
		}
		s.checkPinned()
	})
}

// Read with small buffers of an odd size, from an odd offset and with pauses, returns the same content.
func TestParallelDownloadWithRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 90*mib + 1
		s := newObjectFake(t, size)
		s.pause = slowS3
		f := s.fs(Options{})
		r, err := f.Open(t.Context(), "/f", proxy.Range{Offset: 12345})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		w := &taker{at: 12345}
		if _, err := io.CopyBuffer(w, struct{ io.Reader }{io.LimitReader(r, 50*mib+3)}, make([]byte, 100_003)); err != nil {
			t.Error(err)
		}
		if _, err := r.(io.WriterTo).WriteTo(w); err != nil || w.at != size {
			t.Errorf("%d bytes, %v", w.at, err)
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("after the end: %d, %v", n, err)
		}
		if s.most < 2 {
			t.Error("nothing was fetched ahead")
		}
		s.checkPinned()
	})
}

// A download uses one stream if more requests would not be faster.
func TestDownloadStaysOneStream(t *testing.T) {
	for name, test := range map[string]struct {
		size   int64
		memory int64
		pause  time.Duration
		client time.Duration
		etag   string
	}{
		"the client is the slower one":         {64 * mib, 256 * mib, slowS3, 2 * slowS3, `"v1"`},
		"the client is about as slow":          {64 * mib, 256 * mib, slowS3, slowS3 / 2, `"v1"`},
		"S3 is fast":                           {64 * mib, 256 * mib, slowS3 / 8, 0, `"v1"`},
		"the file is short":                    {firstSpan, 256 * mib, slowS3, 0, `"v1"`},
		"there is no memory for it":            {64 * mib, 0, slowS3, 0, `"v1"`},
		"nothing tells one version of another": {64 * mib, 256 * mib, slowS3, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newObjectFake(t, test.size)
				s.pause = test.pause
				s.header.Set("ETag", test.etag)
				s.header.Set("Last-Modified", "Sun, 13 Sep 2020 12:26:40 GMT")
				w := &taker{pause: func(int64) time.Duration { return test.client }}
				if err := w.take(t, s.fs(Options{Budget: budget.New(test.memory)})); err != nil || w.at != test.size {
					t.Errorf("%d bytes, %v", w.at, err)
				}
				s.checkCalls("Get")
			})
		})
	}
}

// If a service was fast once, its single connections are not the limit, and a download uses one stream.
func TestDownloadFromBusyService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newObjectFake(t, 64*mib)
		s.pause = slowS3 / 8
		w := &taker{pause: func(at int64) time.Duration {
			if at > rangeSize {
				s.mu.Lock()
				s.pause = slowS3
				s.mu.Unlock()
			}
			return 0
		}}
		if err := w.take(t, s.fs(Options{})); err != nil || w.at != s.size {
			t.Errorf("%d bytes, %v", w.at, err)
		}
		s.checkCalls("Get")
	})
}

// The slow start of new connections does not count in the measured speed.
func TestDownloadOverNewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newObjectFake(t, 150*mib)
		s.pause = slowS3
		s.on = func(g *getFake) {
			if 0 < g.n && g.n < minParallel {
				g.delay = time.Second / 2
			}
		}
		w := &taker{}
		if err := w.take(t, s.fs(Options{})); err != nil || w.at != s.size {
			t.Errorf("%d bytes, %v", w.at, err)
		}
		if s.most != maxParallel {
			t.Errorf("%d at most at a time, want %d", s.most, maxParallel)
		}
	})
}

// A download returns to one stream if several connections are not faster.
func TestDownloadReturnsToOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 300 * mib
		s := newObjectFake(t, size)
		s.pause, s.shared = slowS3, true
		w := &taker{}
		if err := w.take(t, s.fs(Options{})); err != nil || w.at != size {
			t.Errorf("%d bytes, %v", w.at, err)
		}
		last := s.gets[len(s.gets)-1]
		if s.most != minParallel || last.end != size || last.first > 150*mib {
			t.Errorf("%d requests, %d at a time, the last from %d to %d", len(s.gets), s.most, last.first, last.end)
		}
	})
}

// When the client becomes slow, the download returns the buffers of its parallel ranges.
func TestDownloadOfClientThatSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 460 * mib
		s := newObjectFake(t, size)
		s.pause = slowS3
		f := s.fs(Options{})
		var ahead int64
		w := &taker{pause: func(at int64) time.Duration {
			if at < 140*mib {
				return 0
			}
			if at > 440*mib {
				ahead = max(ahead, f.budget.Stats().Prefetched)
			}
			return 3 * slowS3
		}}
		if err := w.take(t, f); err != nil || w.at != size {
			t.Errorf("%d bytes, %v", w.at, err)
		}
		if s.most < minParallel || ahead != 0 {
			t.Errorf("%d at a time, and %d bytes ahead in the end; want many, and none", s.most, ahead)
		}
	})
}

// The number of parallel ranges is limited by half of the budget.
func TestDownloadInLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 200 * mib
		s := newObjectFake(t, size)
		s.pause = slowS3
		b := budget.New(34 * mib)
		w := &taker{pause: func(int64) time.Duration {
			if now := b.Stats(); now.Prefetched > now.Size/2 {
				t.Errorf("%d bytes ahead", now.Prefetched)
			}
			return 0
		}}
		if err := w.take(t, s.fs(Options{Budget: b})); err != nil || w.at != size {
			t.Errorf("%d bytes, %v", w.at, err)
		}
		if s.most != 3 {
			t.Errorf("%d at a time, want one stream and two ranges", s.most)
		}
	})
}
