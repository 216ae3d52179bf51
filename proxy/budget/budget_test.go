package budget

import (
	"errors"
	"slices"
	"sync"
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

// giveBack returns buffers that were taken for no particular user.
func giveBack(b *Budget, buffers ...[]byte) { b.Claim(1, false).Free(buffers...) }

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
	for i, r := range b.regions {
		if r.used != 0 {
			t.Errorf("%d bytes of region %d are still in use", r.used, i)
		}
	}
	if len(b.users) > 0 {
		t.Errorf("it still counts what users hold: %v", b.users)
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
		buffer, _, err := b.Borrow(t.Context(), 0)
		if errors.Is(err, syscall.ENOBUFS) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want := largeBufferSize
		if used > 4*mib {
			want = SmallBufferSize
		}
		if len(buffer) != want {
			t.Fatalf("buffer %d has %d bytes, want %d", len(all), len(buffer), want)
		}
		all = append(all, buffer[:1]) // Free must count its capacity
	}
	if used := b.Stats().Used; used != 8*mib || cap(all[0]) != largeBufferSize || cap(all[len(all)-1]) != SmallBufferSize {
		t.Errorf("%d buffers of together %d bytes, from %d bytes to %d", len(all), used, cap(all[0]), cap(all[len(all)-1]))
	}
	giveBack(b, all...)
	checkIdle(t, b)
}

// Returning a buffer that is not from the budget must not make the budget larger.
func TestForeignBuffersAreNotCounted(t *testing.T) {
	b := New(0)
	giveBack(b, []byte{1}, make([]byte, BufferSize-1), nil)
	checkIdle(t, b)
}

// unusedBytes returns the bytes of the unused buffers.
func unusedBytes(b *Budget) (bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, list := range b.unused.lists {
		for _, buffer := range list {
			bytes += len(buffer)
		}
	}
	return bytes
}

// When all buffers are returned at once, at most half of the memory is kept for reuse.
func TestUnusedBuffersAreLimited(t *testing.T) {
	b := New(256 * mib)
	c := b.Claim(256*mib, false)
	buffers := takeAll(t, c)
	c.Seal()
	c.Free(buffers...)
	if unused := unusedBytes(b); unused == 0 || int64(unused) > b.size/2 {
		t.Errorf("%d bytes of %d are kept for reuse", unused, b.size)
	}
	checkIdle(t, b)
}

// Together with the buffers in use, the unused ones of all sizes take no more memory than the budget.
func TestUnusedBuffersOfAllSizesAreLimited(t *testing.T) {
	b := New(64 * mib)
	var large [][]byte
	for range 24 {
		buffer, _, err := b.Borrow(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		large = append(large, buffer)
	}
	giveBack(b, large...)
	if unused := unusedBytes(b); unused != 24*mib {
		t.Errorf("%d bytes are kept for reuse, want 24 MiB", unused)
	}
	c := b.Claim(64*mib, false)
	buffers := takeAll(t, c)
	if unused := unusedBytes(b); unused != 0 {
		t.Errorf("%d bytes are unused, want none: all of the budget is in use", unused)
	}
	c.Seal()
	c.Free(buffers...)
	checkIdle(t, b)
}

// A buffer that was granted to an upload that waits, and that it has not taken yet, counts once. It was counted as unused and as in
// use, so that buffers were freed, and made anew at once.
func TestGrantedBuffersCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(64 * mib)
		claims, parts := make([]*Claim, 8), make([][][]byte, 8)
		for i := range claims {
			claims[i] = b.Claim(8*mib, false)
			for range 8 * mib / BufferSize {
				buffer, err := claims[i].Take(t.Context(), 0)
				if err != nil {
					t.Fatal(err)
				}
				parts[i] = append(parts[i], buffer)
			}
			claims[i].Seal()
		}
		var served []func() error
		for range 8 {
			served = append(served, takeLater(t, b.Claim(BufferSize, false)))
		}
		b.mu.Lock()
		for i := range 4 {
			b.free(claims[i], parts[i])
			b.wake()
		}
		b.mu.Unlock()
		for _, err := range served {
			if err := err(); err != nil {
				t.Error(err)
			}
		}
		if unused := unusedBytes(b); int64(unused)+b.used() != b.size {
			t.Errorf("%d bytes are unused and %d in use, want together %d", unused, b.used(), b.size)
		}
	})
}

// Most of the memory is freed when no transfer has run for a while, but not between transfers.
func TestUnusedBuffersAreFreedWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(64 * mib)
		unused := func() int { return unusedBytes(b) }
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

// OnUse is called once when transfers begin, and once when none has run for idleTime.
func TestOnUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(64 * mib)
		var mu sync.Mutex
		var calls []bool
		b.OnUse = func() {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, b.InUse())
		}
		borrow := func() (giveBack func()) {
			_, giveBack, err := b.Borrow(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			return giveBack
		}
		check := func(when string, want ...bool) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(calls, want) {
				t.Errorf("%s: InUse has become %v, want %v", when, calls, want)
			}
		}
		first, second := borrow(), borrow()
		check("in use", true)
		first()
		second()
		<-time.After(idleTime - time.Nanosecond)
		borrow()()
		<-time.After(idleTime - time.Nanosecond)
		check("between transfers", true)
		<-time.After(time.Nanosecond)
		check("idle", true, false)
		borrow()()
		check("in use again", true, false, true)
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

func TestLend(t *testing.T) {
	b := New(8 * mib)
	small, large := b.Lend(SmallBufferSize), b.Lend(SmallBufferSize+1)
	if len(small) != SmallBufferSize || len(large) != BufferSize || b.Stats().Prefetched != SmallBufferSize+BufferSize {
		t.Errorf("buffers of %d and %d bytes, %+v", len(small), len(large), b.Stats())
	}
	b.ReturnPrefetched(small, large)
	rest := b.Prefetch(4 * mib)
	if rest == nil || b.Lend(1) != nil {
		t.Error("more than half of the budget is lent, or less can be")
	}
	b.ReturnPrefetched(rest...)
	if !b.Reserve(4*mib) || b.Reserve(1) || b.Lend(1) != nil {
		t.Error("half of the budget cannot be reserved, or more can be")
	}
	b.Unreserve(4 * mib)
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
		b.regions[common].used -= 20 * mib // so that Prefetch would fit
		b.mu.Unlock()
		if b.Prefetch(BufferSize) != nil {
			t.Error("Prefetch returned buffers while a claim waits")
		}
		b.mu.Lock()
		b.regions[common].used += 20 * mib
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
