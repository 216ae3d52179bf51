package s3fs

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestSpareIsHalfOfTheMemory(t *testing.T) {
	m := NewMemory(32 * mib)
	first := m.spare(16 * mib)
	if len(first) != 16*mib/slabSize || m.spare(slabSize) != nil {
		t.Errorf("%d slabs, and more", len(first))
	}
	m.freeSpare(first[0])
	if again := m.spare(slabSize); again == nil {
		t.Error("what was given back is not there")
	}
}

// TestSpareComesAfterThoseWhoWait even where it would fit.
func TestSpareComesAfterThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(32 * mib)
		hog := &claim{m: m, need: m.size}
		held := hog.takeAll(t)
		waits := later(func() ([]byte, error) { return (&claim{m: m, need: 16 * mib}).take(t.Context(), slabSize, time.Hour) })
		synctest.Wait()
		m.mu.Lock()
		m.used -= 20 * mib // for as long as it takes to ask
		m.mu.Unlock()
		if m.spare(slabSize) != nil {
			t.Error("it overtook")
		}
		m.mu.Lock()
		m.used += 20 * mib
		m.mu.Unlock()
		hog.seal()
		m.free(held...)
		if _, err := waits(); err != nil {
			t.Error(err)
		}
	})
}

// TestNoUploadReliesOnSpare: with half of the memory ahead, whose clients take nothing, three parts that are filled at
// the same time must not lock each other out of the other half.
func TestNoUploadReliesOnSpare(t *testing.T) {
	m := NewMemory(64 * mib)
	if m.spare(32*mib) == nil {
		t.Fatal("no memory")
	}
	claims := make([]*claim, 3)
	for i := range claims {
		claims[i] = &claim{m: m, need: 16 * mib}
	}
	for more, full := true, 0; full == 0; {
		if !more {
			t.Fatalf("locked up, holding %d, %d and %d of %d each", claims[0].held, claims[1].held, claims[2].held, claims[0].need)
		}
		more = false
		for _, c := range claims {
			slab, err := c.take(t.Context(), slabSize, 0)
			if err != nil && !errors.Is(err, syscall.ENOBUFS) {
				t.Fatal(err)
			}
			more = more || slab != nil
			if c.held == c.need {
				full++
			}
		}
	}
}

// TestDownloadsBesideUploadsInLittleMemory: all of them come to their end.
func TestDownloadsBesideUploadsInLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(36 * mib)
		var ahead atomic.Bool
		var all sync.WaitGroup
		for i := range 3 {
			s := newObjectFake(t, 80*mib)
			s.pause = slowS3
			f := s.fs(Options{Memory: m, Stall: time.Hour})
			all.Go(func() {
				w := &taker{pause: func(at int64) time.Duration {
					if n := aheadNow(m); n > 0 {
						ahead.Store(true)
					}
					return time.Duration(i) * time.Millisecond
				}}
				r, err := f.Open(t.Context(), "/f", 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				if _, err := io.Copy(w, r); err != nil || w.at != s.size {
					t.Errorf("download: %d bytes, %v", w.at, err)
				}
			})
		}
		for i := range 4 {
			s := newFake(t)
			f := s.fs(Options{PartSize: minPart, Memory: m, Stall: time.Hour})
			all.Go(func() {
				size := int64(25*mib + i)
				content := slow{io.LimitReader(endless{}, size), time.Duration(i) * time.Millisecond}
				if err := f.Put(t.Context(), "/f", content, Write{}); err != nil || s.objects["/b/f"] != size {
					t.Errorf("upload: %d bytes, %v", s.objects["/b/f"], err)
				}
			})
		}
		all.Wait()
		allFree(t, m)
		if !ahead.Load() {
			t.Error("no download has fetched anything ahead")
		}
	})
}
