package s3fs

import (
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Close during a download returns all buffers and ends all goroutines. The bubble waits for these.
func TestCloseDuringDownload(t *testing.T) {
	for _, after := range []int64{0, mib, firstSpan + mib, 60 * mib} {
		synctest.Test(t, func(t *testing.T) {
			s := newObjectFake(t, 200*mib)
			s.pause = slowS3
			f := s.fs(Options{})
			r, err := f.Open(t.Context(), "/f", proxy.Range{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, r, after); err != nil {
				t.Error(err)
			}
			if busy := f.budget.Stats().Prefetched > 0; busy != (after > firstSpan) {
				t.Errorf("after %d bytes: something is ahead: %v", after, busy)
			}
			before := time.Now()
			r.Close()
			if took := time.Since(before); took != 0 {
				t.Errorf("after %d bytes: Close waited %v for data that is not needed", after, took)
			}
			allFree(t, f.budget)
			if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("read after Close: %v", err)
			}
			if s.active != 0 {
				t.Errorf("%d bodies are open", s.active)
			}
		})
	}
}

// A panic in a range fails the download, and does not end the process.
func TestPanicInARange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newObjectFake(t, 64*mib)
		s.pause = slowS3
		s.on = func(g *getFake) {
			if g.first == firstSpan+rangeSize {
				panic("a mistake")
			}
		}
		w := &taker{}
		if err := w.take(t, s.fs(Options{})); err == nil || w.at != firstSpan+rangeSize {
			t.Errorf("%d bytes, %v", w.at, err)
		}
	})
}
