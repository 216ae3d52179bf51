package budget

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const mib = 1 << 20

// takeAll takes buffers until the budget is used up.
func takeAll(t *testing.T, c *Claim) (buffers [][]byte) {
	t.Helper()
	for now := c.budget.Stats(); now.Used < now.Size; now = c.budget.Stats() {
		buffer, err := c.Take(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		buffers = append(buffers, buffer)
	}
	return buffers
}

// takeLater starts to take a buffer, and returns a function that waits for it.
func takeLater(t *testing.T, c *Claim) func() error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Take(t.Context(), time.Hour)
		done <- err
	}()
	synctest.Wait()
	return func() error { return <-done }
}

// checkIdle checks that the budget is not in use.
func checkIdle(t *testing.T, b *Budget) {
	t.Helper()
	if now := b.Stats(); now != (Stats{Size: now.Size}) {
		t.Errorf("the budget is still in use: %+v", now)
	}
}

func TestSizeIsAtLeast8MiB(t *testing.T) {
	for bytes, want := range map[int64]int64{0: 8 * mib, 8*mib - 1: 8 * mib, 8*mib + 1: 8*mib + 1} {
		if got := New(bytes).Stats().Size; got != want {
			t.Errorf("New(%d) has %d bytes, want %d", bytes, got, want)
		}
	}
}

func TestBorrowReturnsSmallBuffersBeyondHalfOfTheBudget(t *testing.T) {
	b := New(8 * mib)
	var all [][]byte
	for {
		used := b.Stats().Used
		buffer, err := b.Borrow(t.Context(), 0)
		if errors.Is(err, syscall.ENOBUFS) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want := BufferSize
		if used > 4*mib {
			want = SmallBufferSize
		}
		if len(buffer) != want {
			t.Fatalf("buffer %d has %d bytes, want %d", len(all), len(buffer), want)
		}
		all = append(all, buffer[:1]) // Return must count its capacity
	}
	if used := b.Stats().Used; used != 8*mib || cap(all[0]) != BufferSize || cap(all[len(all)-1]) != SmallBufferSize {
		t.Errorf("%d buffers of together %d bytes, from %d bytes to %d", len(all), used, cap(all[0]), cap(all[len(all)-1]))
	}
	b.Return(all...)
	checkIdle(t, b)
}

// Returning a buffer that is not from the budget must not make the budget larger.
func TestForeignBuffersAreNotCounted(t *testing.T) {
	b := New(0)
	b.Return([]byte{1}, make([]byte, BufferSize-1), nil)
	checkIdle(t, b)
}

// When all buffers are returned at once, at most half of the memory is kept for reuse.
func TestUnusedBuffersAreLimited(t *testing.T) {
	b := New(64 * mib)
	c := b.Claim(64*mib, false)
	buffers := takeAll(t, c)
	c.Seal()
	c.Free(buffers...)
	unused := int64(0)
	for _, list := range b.unused {
		for _, buffer := range list {
			unused += int64(len(buffer))
		}
	}
	if unused == 0 || unused > b.size/2 {
		t.Errorf("%d bytes of %d are kept for reuse", unused, b.size)
	}
	checkIdle(t, b)
}

// Most of the memory is freed when no transfer has run for a while, but not between transfers.
func TestUnusedBuffersAreFreedWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(64 * mib)
		unused := func() (bytes int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, list := range b.unused {
				for _, buffer := range list {
					bytes += len(buffer)
				}
			}
			return bytes
		}
		use := func() func() {
			c := b.Claim(16*mib, false)
			var buffers [][]byte
			for range 16 * mib / BufferSize {
				buffer, err := c.Take(t.Context(), 0)
				if err != nil {
					t.Fatal(err)
				}
				buffers = append(buffers, buffer)
			}
			c.Seal()
			return func() { c.Free(buffers...) }
		}
		use()()
		<-time.After(idleTime - time.Nanosecond)
		if got := unused(); got != 16*mib {
			t.Errorf("%d bytes are kept between transfers, want 16 MiB", got)
		}
		free := use()
		<-time.After(idleTime)
		free()
		<-time.After(idleTime - time.Nanosecond)
		if got := unused(); got != 16*mib {
			t.Errorf("%d bytes are kept after a long transfer, want 16 MiB", got)
		}
		<-time.After(time.Nanosecond)
		synctest.Wait()
		if got := unused(); got != idleUnused {
			t.Errorf("%d bytes are kept when idle, want %d", got, idleUnused)
		}
	})
}

func TestBuffersAreReused(t *testing.T) {
	b := New(64 * mib)
	allocations := testing.AllocsPerRun(100, func() {
		c := b.Claim(BufferSize, false)
		buffer, err := c.Take(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		c.Seal()
		c.Free(buffer)
	})
	if allocations > 1 {
		t.Errorf("%.0f allocations for a buffer, want only the claim", allocations)
	}
}

func TestPrefetchUsesHalfOfTheBudget(t *testing.T) {
	b := New(32 * mib)
	first := b.Prefetch(16*mib - 1)
	if len(first) != 16*mib/BufferSize || b.Prefetch(1) != nil {
		t.Errorf("half of the budget has %d buffers, want %d; or more can be prefetched", len(first), 16*mib/BufferSize)
	}
	b.ReturnPrefetched(first[0])
	again := b.Prefetch(1)
	if len(again) != 1 {
		t.Error("the buffer that was returned cannot be prefetched again")
	}
	b.ReturnPrefetched(again...)
	b.ReturnPrefetched(first[1:]...)
	checkIdle(t, b)
}

// Even if its buffers fit, Prefetch must not overtake a claim that waits for more.
func TestPrefetchDoesNotOvertakeWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(32 * mib)
		holder := b.Claim(32*mib, false)
		buffers := takeAll(t, holder)
		served := takeLater(t, b.Claim(16*mib, false))
		b.mu.Lock()
		b.used -= 20 * mib // so that Prefetch would fit
		b.mu.Unlock()
		if b.Prefetch(BufferSize) != nil {
			t.Error("Prefetch returned buffers while a claim waits")
		}
		b.mu.Lock()
		b.used += 20 * mib
		b.mu.Unlock()
		holder.Seal()
		holder.Free(buffers...)
		if err := served(); err != nil {
			t.Error(err)
		}
	})
}

func TestReturnPrefetchedServesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(8 * mib)
		prefetched := b.Prefetch(mib)
		fillUp(t, b)
		served := takeLater(t, b.Claim(BufferSize, false))
		if b.Stats().Waiting != 1 {
			t.Fatal("the claim does not wait")
		}
		b.ReturnPrefetched(prefetched...)
		if err := served(); err != nil {
			t.Error(err)
		}
	})
}

// The memory of prefetched buffers may never be free again, if the clients do not read. With half of the budget prefetched,
// three parts that are filled at the same time deadlocked in the other half.
func TestPrefetchedBuffersCauseNoDeadlock(t *testing.T) {
	b := New(64 * mib)
	if b.Prefetch(32*mib) == nil {
		t.Fatal("half of the budget cannot be prefetched")
	}
	claims := make([]*Claim, 3)
	for i := range claims {
		claims[i] = b.Claim(16*mib, false)
	}
	for more, full := true, 0; full == 0; {
		if !more {
			t.Fatalf("deadlock, holding %d, %d and %d of %d each", claims[0].held, claims[1].held, claims[2].held, claims[0].need)
		}
		more = false
		for _, c := range claims {
			buffer, err := c.Take(t.Context(), 0)
			if err != nil && !errors.Is(err, syscall.ENOBUFS) {
				t.Fatal(err)
			}
			more = more || buffer != nil
			if c.held == c.need {
				full++
			}
		}
	}
}
