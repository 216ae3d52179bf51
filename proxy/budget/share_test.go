package budget

import (
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// takeUpTo takes buffers for a claim until it holds that many bytes, without waiting, and returns the last error.
func takeUpTo(t *testing.T, c *Claim, bytes int64) (buffers [][]byte, err error) {
	t.Helper()
	for c.held < bytes {
		buffer, err := c.Take(t.Context(), 0)
		if buffer == nil {
			return buffers, err
		}
		buffers = append(buffers, buffer)
	}
	return buffers, nil
}

// mustTake takes buffers for a claim until it holds that many bytes, and returns a function that frees them.
func mustTake(t *testing.T, c *Claim, bytes int64) (free func()) {
	t.Helper()
	buffers, err := takeUpTo(t, c, bytes)
	if c.held < bytes {
		t.Fatalf("the claim has %d bytes of %d, %v", c.held, bytes, err)
	}
	return func() {
		c.Seal()
		c.Free(buffers...)
	}
}

// takeCommon makes 60 claims of one user that stand still 1 MiB short of a part of 8 MiB, or without memory. It returns a
// function that frees all.
func takeCommon(t *testing.T, s *Share) (free func()) {
	t.Helper()
	var all []func()
	for range 60 {
		c := s.Claim(5*mib, true)
		buffers, err := takeUpTo(t, c, 7*mib)
		if err != nil && !errors.Is(err, syscall.ENOBUFS) {
			t.Fatal(err)
		}
		all = append(all, func() {
			c.Seal()
			c.Free(buffers...)
		})
	}
	return func() {
		for _, free := range all {
			free()
		}
	}
}

func TestReserveServesTheOnlyPartOfAUser(t *testing.T) {
	b := NewShared(64 * mib)
	free := takeCommon(t, b.ShareOf("many"))
	if used := b.regions[reserve].used; used != 0 {
		t.Errorf("a user with many parts has %d bytes of the reserve", used)
	}
	freeOnly := mustTake(t, b.ShareOf("other").Claim(5*mib, true), 8*mib)
	for name, c := range map[string]*Claim{
		"the second part of the user": b.ShareOf("other").Claim(5*mib, true),
		"one of no particular user":   b.Claim(5*mib, true),
		"a part that is too large":    b.ShareOf("third").Claim(17*mib, true),
	} {
		if buffers, err := takeUpTo(t, c, mib); err == nil {
			t.Errorf("%s: got %d buffers", name, len(buffers))
		}
	}
	freeOnly()
	free()
	checkIdle(t, b)
}

// A budget without a reserve serves a user in the order of arrival.
func TestNewHasNoReserve(t *testing.T) {
	for name, b := range map[string]*Budget{"New": New(64 * mib), "too small": NewShared(3*minClaim - 1)} {
		free := takeCommon(t, b.ShareOf("many"))
		if _, err := takeUpTo(t, b.ShareOf("other").Claim(5*mib, true), 8*mib); !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("%s: %v, want ENOBUFS", name, err)
		}
		free()
		checkIdle(t, b)
	}
}

// The largest parts can be filled in each region, in the common one beside the largest prefetched ranges.
func TestEachRegionHoldsAPart(t *testing.T) {
	for size, want := range map[int64]int64{
		3 * minClaim: minClaim, 16 * mib: minClaim, 20 * mib: minClaim, 64 * mib: 16*mib + SmallBufferSize, 256 * mib: 64*mib + SmallBufferSize,
	} {
		b := NewShared(size)
		if got := b.regions[reserve].size; got != want || b.regions[common].size != size-want {
			t.Errorf("of %d bytes, the reserve has %d and the common region %d; want a reserve of %d", size, got, b.regions[common].size, want)
		}
		for b.Prefetch(BufferSize) != nil {
			continue
		}
		part := b.MaxClaim() / BufferSize * BufferSize
		for _, user := range []string{"first", "second"} { // the first in the common region
			c := b.ShareOf(user).Claim(part, true)
			if _, err := takeUpTo(t, c, c.need); c.lacks() > 0 {
				t.Errorf("of %d bytes, user %q cannot fill a part: %v", size, user, err)
			}
		}
	}
}

// A user's only part has begun in the common region before another user takes all of that.
func TestOnlyPartMovesToTheReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewShared(64 * mib)
		two := b.ShareOf("two").Claim(5*mib, true)
		freeOther := mustTake(t, b.ShareOf("two").Claim(5*mib, true), mib)
		freeTwo := mustTake(t, two, mib)
		only := b.ShareOf("one").Claim(5*mib, true)
		free := mustTake(t, only, mib)
		freeCommon := takeCommon(t, b.ShareOf("many"))
		if used := b.regions[reserve].used; used != 0 {
			t.Errorf("%d bytes of the reserve are used too soon", used)
		}
		freeRest := mustTake(t, only, 7*mib)
		freeMore := takeCommon(t, b.ShareOf("many"))
		served := takeLater(t, two)
		if n := b.Stats().Waiting; only.region != reserve || n != 1 {
			t.Errorf("the only part is in region %d, and %d claims wait; want the reserve, and the part of the user with two waiting", only.region, n)
		}
		freeOther()
		if err := served(); err != nil {
			t.Error(err)
		}
		freeRestOfTwo := mustTake(t, two, 7*mib)
		if two.region != reserve {
			t.Error("the part does not move to the reserve after the other is sent")
		}
		for _, free := range []func(){freeTwo, freeRestOfTwo, free, freeRest, freeCommon, freeMore} {
			free()
		}
		two.Free(make([]byte, BufferSize)) // that it waited for
		checkIdle(t, b)
	})
}

func TestNextPartWaitsUntilTheOtherIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewShared(64 * mib)
		freeCommon := takeCommon(t, b.ShareOf("many"))
		freePart := mustTake(t, b.ShareOf("other").Claim(5*mib, true), 5*mib)
		next := b.ShareOf("other").Claim(5*mib, false) // in another session
		served := takeLater(t, next)
		if n := b.Stats().Waiting; n != 1 {
			t.Fatalf("%d claims wait, want 1", n)
		}
		begin := time.Now()
		time.AfterFunc(time.Minute, freePart)
		if err := served(); err != nil || time.Since(begin) != time.Minute || next.region != reserve {
			t.Errorf("after %v: %v, in region %d; want a buffer from the reserve after a minute", time.Since(begin), err, next.region)
		}
		next.Seal()
		next.Free(make([]byte, BufferSize))
		freeCommon()
		checkIdle(t, b)
	})
}

// An upload can send part by part in the reserve, although each part is retained until the next is long enough.
func TestUploadContinuesInTheReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewShared(64 * mib)
		freeCommon := takeCommon(t, b.ShareOf("many"))
		var last *Retained
		for i := range 5 {
			c := b.ShareOf("other").Claim(5*mib, i == 0)
			served := takeLater(t, c)
			if last != nil {
				if n := b.Stats().Waiting; n != 1 {
					t.Errorf("part %d does not wait until the part before it is sent", i)
				}
				last.Release() // it is sent
			}
			if err := served(); err != nil {
				t.Fatal(err)
			}
			buffers := [][]byte{make([]byte, c.held)} // one of the same size as the first
			more, err := takeUpTo(t, c, 8*mib)
			if c.lacks() > 0 {
				t.Fatalf("part %d has %d bytes, %v", i, c.held, err)
			}
			buffers = append(buffers, more...)
			if last != nil && last.Reclaim() {
				last.Release()
			}
			c.Seal()
			last = c.Retain(&buffers)
		}
		last.Release()
		if h := b.users["other"]; h != (holdings{}) {
			t.Errorf("the user holds %+v, with a part that can be evicted", h)
		}
		if !last.Reclaim() || b.users["other"].parts != 1 {
			t.Errorf("the user holds %+v, with a part that was reclaimed", b.users["other"])
		}
		last.Release()
		freeCommon()
		checkIdle(t, b)
	})
}

// A user with many downloads can begin an upload. The reserve serves each user one download besides.
func TestDownloadsDoNotUseUpTheReserve(t *testing.T) {
	b := NewShared(64 * mib)
	free := takeCommon(t, b.ShareOf("many"))
	borrow := func(user string) (giveBack func()) {
		_, giveBack, err := b.ShareOf(user).Borrow(t.Context(), 0)
		if err != nil && !errors.Is(err, syscall.ENOBUFS) {
			t.Fatal(err)
		}
		return giveBack
	}
	var all []func()
	for giveBack := borrow("loads"); giveBack != nil; giveBack = borrow("loads") {
		all = append(all, giveBack)
	}
	if used := b.regions[reserve].used; used != SmallBufferSize {
		t.Errorf("%d downloads of one user have %d bytes of the reserve, want one buffer", len(all), used)
	}
	freePart := mustTake(t, b.ShareOf("loads").Claim(5*mib, true), 8*mib)
	other := borrow("other")
	freeOther := mustTake(t, b.ShareOf("other").Claim(5*mib, true), 5*mib)
	if other == nil || borrow("many") != nil {
		t.Error("a user without parts could not borrow, or one with many could")
	}
	for _, giveBack := range append(all, other) {
		giveBack()
	}
	freePart()
	freeOther()
	free()
	checkIdle(t, b)
}

// In the reserve, claims that only the common region may serve are overtaken. In each region, others are served in order.
func TestQueuesOfTheRegions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewShared(64 * mib)
		freeCommon := takeCommon(t, b.ShareOf("many"))
		many := takeLater(t, b.ShareOf("many").Claim(5*mib, false))
		tooLarge := takeLater(t, b.ShareOf("d").Claim(17*mib, true))
		freeReserve := mustTake(t, b.ShareOf("a").Claim(16*mib, true), 16*mib)
		large := b.ShareOf("b").Claim(5*mib, false)
		first := takeLater(t, large)
		if _, _, err := b.ShareOf("c").Borrow(t.Context(), time.Second); !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("a small claim overtook a large one in the reserve: %v", err)
		}
		freeReserve()
		if err := first(); err != nil || large.region != reserve || b.Stats().Waiting != 2 {
			t.Errorf("%v, in region %d, %d claims wait; want one of the reserve, and two waiting for the common region", err, large.region, b.Stats().Waiting)
		}
		freeCommon()
		if err := errors.Join(many(), tooLarge()); err != nil {
			t.Error(err)
		}
	})
}

// Many users have uploads and downloads at a time, some many and some few, with far less memory than they need together.
func TestUsersDoNotDeadlock(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := &randomUsers{t: t, budget: NewShared(int64(16+seed%3*16) * mib)}
			random := rand.New(rand.NewPCG(seed, 1))
			var all sync.WaitGroup
			for i := range 60 {
				user := string(rune('A' + min(random.IntN(60), 9+i%20))) // some with many sessions
				own := rand.New(rand.NewPCG(seed, uint64(i)+2))
				all.Go(func() {
					if i%4 == 0 {
						r.download(r.budget.ShareOf(user), own)
					} else {
						r.upload(r.budget.ShareOf(user), own)
					}
				})
			}
			all.Wait()
			checkIdle(t, r.budget)
			if !r.reserved {
				t.Error("nothing has used the reserve")
			}
		})
	}
}

// randomUsers run transfers of random sizes and speeds, and check the budget meanwhile.
type randomUsers struct {
	t        *testing.T
	budget   *Budget
	mu       sync.Mutex
	claims   []*Claim // all of them
	reserved bool     // the reserve was used
}

func (u *randomUsers) upload(s *Share, random *rand.Rand) {
	var last *Retained
	for i := range 4 {
		c := s.Claim(random.Int64N(5*mib)+1, i == 0)
		u.mu.Lock()
		u.claims = append(u.claims, c)
		u.mu.Unlock()
		var buffers [][]byte
		for size := c.need + random.Int64N(3*mib); c.held < size; {
			buffer, err := c.Take(u.t.Context(), time.Hour)
			if err != nil {
				u.t.Errorf("user %s: %v", s.user, err)
			}
			if buffer == nil {
				break
			}
			buffers = append(buffers, buffer)
			u.check()
			<-time.After(time.Duration(random.Int64N(1000)))
		}
		c.Seal()
		if last != nil && last.Reclaim() {
			last.Release()
		}
		last = c.Retain(&buffers)
		sent := last
		time.AfterFunc(time.Duration(random.Int64N(5000)), sent.Release)
	}
	if last.Reclaim() {
		last.Release()
	}
	<-time.After(time.Second) // until all is sent
}

func (u *randomUsers) download(s *Share, random *rand.Rand) {
	for range 10 {
		buffers := s.Prefetch(random.Int64N(4*mib) + 1)
		_, giveBack, err := s.Borrow(u.t.Context(), time.Hour)
		if err != nil {
			u.t.Errorf("user %s: %v", s.user, err)
			return
		}
		u.check()
		<-time.After(time.Duration(random.Int64N(1000)))
		giveBack()
		s.ReturnPrefetched(buffers...)
	}
}

// check checks that no region is larger than its size, and who has parts in the reserve.
func (u *randomUsers) check() {
	b := u.budget
	u.mu.Lock()
	defer u.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, r := range b.regions {
		if r.used > r.size || r.used < 0 {
			u.t.Errorf("%d bytes of region %d are in use, of %d", r.used, i, r.size)
		}
	}
	u.reserved = u.reserved || b.regions[reserve].used > 0
	parts := make(map[string]int)
	for _, c := range u.claims {
		if c.region == reserve && c.counted {
			if parts[c.user]++; parts[c.user] > 1 {
				u.t.Errorf("user %s has %d parts in the reserve", c.user, parts[c.user])
			}
		}
	}
}
