package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Many parts of all sizes are filled at the same time, with far less memory than they need together.
func TestClaimsDoNotDeadlock(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			b := New(16 << 20)
			random := rand.New(rand.NewPCG(seed, 0))
			var all sync.WaitGroup
			for range 40 {
				buffers := 1 + random.Int64N(12)
				pause := time.Duration(1 + random.Int64N(1000))
				all.Go(func() {
					for range 5 {
						if err := fillPart(t, b, buffers, pause); err != nil {
							t.Errorf("a part of %d buffers: %v", buffers, err)
							return
						}
					}
				})
			}
			all.Wait()
			checkIdle(t, b)
		})
	}
}

// fillPart takes the buffers of a part one by one, and frees them some time after the last one.
func fillPart(t *testing.T, b *Budget, buffers int64, pause time.Duration) error {
	c := b.Claim(buffers*BufferSize, false)
	var taken [][]byte
	for range buffers {
		buffer, err := c.Take(t.Context(), time.Hour)
		if err != nil {
			return err
		}
		taken = append(taken, buffer)
		if now := b.Stats(); now.Used > now.Size {
			t.Errorf("%d bytes are in use, of %d", now.Used, now.Size)
		}
		<-time.After(pause)
	}
	c.Seal()
	<-time.After(10 * pause)
	c.Free(taken...)
	return nil
}

func TestTakeFailsAfterStallTimeOrEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(0)
		holder := b.Claim(b.size, false)
		buffers := takeAll(t, holder)
		holder.Seal()
		begin := time.Now()
		if _, err := b.Claim(1, true).Take(t.Context(), time.Minute); !errors.Is(err, syscall.ENOBUFS) || time.Since(begin) != time.Minute {
			t.Errorf("after %v: %v, want ENOBUFS after a minute", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		if _, err := b.Claim(1, true).Take(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("after %v: %v, want DeadlineExceeded after a second", time.Since(begin), err)
		}
		holder.Free(buffers...)
		checkIdle(t, b)
	})
}

// A buffer that is granted at the moment when the context ends is in use, so await must not fail: the buffer would be lost.
func TestGrantAtEndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	waiter := &waiter{granted: make(chan struct{})} // granted, so not in the queue
	if err := New(0).await(ctx, waiter, 0); err != nil {
		t.Errorf("the granted buffer is lost: %v", err)
	}
}

// A small claim that queues after a large one is served when the large one times out.
func TestTimeoutServesNextWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(0)
		fillUp(t, b)
		go b.Claim(BufferSize, false).Take(t.Context(), time.Second)
		synctest.Wait()
		begin := time.Now()
		if err := takeLater(t, b.Claim(SmallBufferSize, true))(); err != nil || time.Since(begin) != time.Second {
			t.Errorf("after %v: %v, want a buffer after a second", time.Since(begin), err)
		}
	})
}

// fillUp takes all memory except at most a small buffer, with sealed claims.
func fillUp(t *testing.T, b *Budget) (buffers [][]byte) {
	t.Helper()
	for b.size-b.used() > SmallBufferSize {
		c := b.Claim(BufferSize, false)
		if b.size-b.used() <= BufferSize {
			c = b.Claim(SmallBufferSize, true)
		}
		buffer, err := c.Take(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		c.Seal()
		buffers = append(buffers, buffer)
	}
	return buffers
}

func TestNewClaimsDoNotOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(0)
		held := fillUp(t, b)
		served := takeLater(t, b.Claim(BufferSize, false))
		if _, err := b.Claim(SmallBufferSize, true).Take(t.Context(), time.Second); !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("a small claim overtook a large one: %v", err)
		}
		takeLater(t, b.Claim(SmallBufferSize, true))
		last := len(held) - 1
		giveBack(b, held[last])
		if n := b.Stats().Waiting; len(held[last]) != SmallBufferSize || n != 2 {
			t.Errorf("%d claims wait after %d bytes were returned, want 2", n, len(held[last]))
		}
		giveBack(b, held[:last]...)
		if err := served(); err != nil {
			t.Error(err)
		}
	})
}

func TestClaimsAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(0)
		holder := b.Claim(b.size, false)
		held := takeAll(t, holder)
		if buffer, err := holder.Take(t.Context(), time.Hour); buffer != nil || err != nil {
			t.Errorf("Take for a claim with all it needs: %v, want nil without waiting", err)
		}
		holder.Seal()
		order := make(chan int)
		for i := range 3 {
			c := b.Claim(BufferSize, false)
			go func() {
				if _, err := c.Take(t.Context(), time.Hour); err != nil {
					t.Error(err)
				}
				order <- i
			}()
			synctest.Wait()
		}
		for i := range 3 {
			giveBack(b, held[i])
			if got := <-order; got != i {
				t.Errorf("claim %d was served at position %d", got, i)
			}
		}
	})
}

// A claim that may need the free memory blocks others only until it is sealed.
func TestSealServesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(8 * mib)
		first, second := b.Claim(5*mib, false), b.Claim(5*mib, false)
		for range 4 * mib / BufferSize {
			if _, err := first.Take(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		for err == nil {
			_, err = second.Take(t.Context(), 0)
		}
		if now := b.Stats(); !errors.Is(err, syscall.ENOBUFS) || now.Used != 7*mib {
			t.Fatalf("%v with %d bytes in use, want ENOBUFS, with the bytes free that the first claim needs", err, now.Used)
		}
		served := takeLater(t, second)
		first.Seal()
		if err := served(); err != nil {
			t.Error(err)
		}
	})
}

func TestClaimNeedsWholeBuffers(t *testing.T) {
	for _, test := range []struct {
		size       int64
		startSmall bool
		need       int64
	}{
		{1, false, BufferSize},
		{BufferSize, false, BufferSize},
		{BufferSize + 1, false, 2 * BufferSize},
		{1, true, SmallBufferSize},
		{SmallBufferSize, true, SmallBufferSize},
		{SmallBufferSize + 1, true, SmallBufferSize + BufferSize},
		{BufferSize, true, SmallBufferSize + BufferSize},
		{SmallBufferSize + BufferSize + 1, true, SmallBufferSize + 2*BufferSize},
		{5 << 20, true, SmallBufferSize + 5<<20},
	} {
		c := New(16<<20).Claim(test.size, test.startSmall)
		for want := int64(0); want < test.need; {
			buffer, err := c.Take(t.Context(), 0)
			size := int64(BufferSize)
			if test.startSmall && want == 0 {
				size = SmallBufferSize
			}
			if int64(len(buffer)) != size || err != nil {
				t.Fatalf("%+v: %d bytes after %d, %v; want %d", test, len(buffer), want, err, size)
			}
			want += size
		}
		if c.held != c.need || c.need != test.need {
			t.Errorf("%+v: holds %d bytes of %d", test, c.held, c.need)
		}
	}
}

func TestMaxClaimIsAQuarterButFits5MiB(t *testing.T) {
	for size, want := range map[int64]int64{8 << 20: SmallBufferSize + 5<<20, 20 << 20: SmallBufferSize + 5<<20, 256 << 20: 64 << 20} {
		b := New(size)
		if got := b.MaxClaim(); got != want || got < b.Claim(5<<20, true).need {
			t.Errorf("MaxClaim of %d bytes is %d, want %d", size, got, want)
		}
	}
}
