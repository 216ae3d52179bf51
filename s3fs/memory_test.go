package s3fs

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestMemoryNeverLocksUp has many parts of all sizes filled at once, in far less memory than they take together.
func TestMemoryNeverLocksUp(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemory(16 << 20)
			random := rand.New(rand.NewPCG(seed, 0))
			var all sync.WaitGroup
			for range 40 {
				need := slabSize * (1 + random.Int64N(24))
				pause := time.Duration(1 + random.Int64N(1000))
				all.Go(func() {
					for range 5 {
						if err := fillOne(t, m, need, pause); err != nil {
							t.Errorf("a part of %d slabs: %v", need/slabSize, err)
							return
						}
					}
				})
			}
			all.Wait()
			if m.used != 0 || len(m.filling) != 0 || len(m.waiting) != 0 {
				t.Errorf("left: %d bytes, %d filling, %d waiting", m.used, len(m.filling), len(m.waiting))
			}
		})
	}
}

// fillOne takes what one part needs, slab by slab, and gives it back a little after it is full.
func fillOne(t *testing.T, m *Memory, need int64, pause time.Duration) error {
	c := &claim{m: m, need: need}
	var taken [][]byte
	for range need / slabSize {
		slab, err := c.take(t.Context(), slabSize, time.Hour)
		if err != nil {
			return err
		}
		taken = append(taken, slab)
		m.mu.Lock()
		if m.used > m.size {
			t.Errorf("%d bytes are out, of %d", m.used, m.size)
		}
		m.mu.Unlock()
		<-time.After(pause)
	}
	c.seal()
	<-time.After(10 * pause)
	m.free(taken...)
	return nil
}

// TestManySlowUploadsInLittleMemory is the same for whole uploads: clients that send slowly, and an S3 that takes long.
func TestManySlowUploadsInLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(20 << 20)
		most := int64(0)
		var all sync.WaitGroup
		for i := range 12 {
			s := newFake(t)
			s.fault = func(r *http.Request, _ string) (*http.Response, error) {
				m.mu.Lock()
				most = max(most, m.used)
				m.mu.Unlock()
				<-time.After(time.Second)
				return nil, nil
			}
			f := s.fs(Options{PartSize: minPart, Memory: m, Stall: time.Hour})
			all.Go(func() {
				size := int64(11<<20 + i)
				content := slow{io.LimitReader(endless{}, size), time.Duration(i) * 10 * time.Millisecond}
				if err := f.Put(t.Context(), "/f", content, Write{}); err != nil {
					t.Error(err)
				}
				if s.objects["/b/f"] != size {
					t.Errorf("%d bytes published, want %d", s.objects["/b/f"], size)
				}
			})
		}
		all.Wait()
		if most > m.size || most < m.size/2 {
			t.Errorf("at most %d bytes of %d were out: too many, or uploads did not share them", most, m.size)
		}
		if m.used != 0 {
			t.Errorf("%d bytes are still out", m.used)
		}
	})
}

func TestMemoryThatDoesNotComeFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		m := NewMemory(0)
		for {
			if _, err := m.borrow(t.Context(), 0); err != nil {
				break
			}
		}
		f := s.fs(Options{Memory: m, Stall: time.Minute})
		before := time.Now()
		err := f.Put(t.Context(), "/f", zeros(1<<20), Write{})
		if !errors.Is(err, syscall.ENOBUFS) || time.Since(before) != time.Minute {
			t.Errorf("after %v: %v, want ENOBUFS after a minute", time.Since(before), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Put(ctx, "/f", zeros(1<<20), Write{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled while it waits: %v", err)
		}
		s.made()
	})
}

func TestMemoryIsNotTakenPastTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(0)
		var held [][]byte
		for m.size-m.used > smallSlab {
			n := int64(slabSize)
			if m.size-m.used <= slabSize {
				n = smallSlab
			}
			c := &claim{m: m, need: n}
			slab, err := c.take(t.Context(), n, 0)
			if err != nil {
				t.Fatal(err)
			}
			c.seal()
			held = append(held, slab)
		}
		first, second := &claim{m: m, need: slabSize}, &claim{m: m, need: smallSlab}
		served := later(func() ([]byte, error) { return first.take(t.Context(), slabSize, time.Hour) })
		synctest.Wait()
		if _, err := second.take(t.Context(), smallSlab, time.Second); !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("a small claim got what a large one waits for: %v", err)
		}
		m.free(held...)
		if _, err := served(); err != nil {
			t.Error(err)
		}
	})
}

// takeAll takes all the memory there is.
func (c *claim) takeAll(t *testing.T) (held [][]byte) {
	t.Helper()
	for c.m.used < c.m.size {
		slab, err := c.take(t.Context(), slabSize, 0)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, slab)
	}
	return held
}

func TestMemoryIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(0)
		holder := &claim{m: m, need: m.size}
		held := holder.takeAll(t)
		if slab, err := holder.take(t.Context(), slabSize, time.Hour); slab != nil || err != nil {
			t.Errorf("a part that is large enough has to wait: %v", err)
		}
		holder.seal()
		order := make(chan int)
		for i := range 3 {
			c := &claim{m: m, need: slabSize}
			go func() {
				if _, err := c.take(t.Context(), slabSize, time.Hour); err != nil {
					t.Error(err)
				}
				order <- i
			}()
			synctest.Wait()
		}
		for i := range 3 {
			m.free(held[i])
			if got := <-order; got != i {
				t.Errorf("claim %d was served as number %d", got, i)
			}
		}
	})
}

// TestSparesAreFew: of memory that all comes back, less than half is kept for the next.
func TestSparesAreFew(t *testing.T) {
	m := NewMemory(64 << 20)
	c := &claim{m: m, need: m.size}
	held := c.takeAll(t)
	c.seal()
	m.free(held...)
	kept := int64(0)
	for _, slabs := range m.spares {
		for _, s := range slabs {
			kept += int64(len(s))
		}
	}
	if kept == 0 || kept > m.size/2 || m.used != 0 {
		t.Errorf("%d bytes are kept of %d, %d in use", kept, m.size, m.used)
	}
}
