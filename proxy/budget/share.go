package budget

import (
	"context"
	"time"
)

// A Share is the access of one user to a budget, or of no particular user. It holds no memory by itself. Its methods may be called
// from many goroutines at once.
type Share struct {
	budget *Budget
	user   string // "" = no particular user
}

// ShareOf returns the share of a user. All shares of the same user are one: what a user holds is counted over all sessions. The
// reserve of the budget serves a user's only part of an upload, and one buffer of a download beside it. All else is served by
// the rest of the budget, and so are transfers of no particular user, whose name is "".
//
// Without a reserve, see [NewShared], all users are alike.
func (b *Budget) ShareOf(user string) *Share {
	if b.users == nil {
		user = ""
	}
	return &Share{budget: b, user: user}
}

// Claim returns a claim for a part that can be sent once it has size bytes of content. It may have more. Size must be at
// most [Budget.MaxClaim]. If startSmall is true, the first buffer is a small one. A new claim holds no memory yet.
func (s *Share) Claim(size int64, startSmall bool) *Claim {
	return &Claim{budget: s.budget, user: s.user, startSmall: startSmall, need: roundUp(size, startSmall)}
}

// Borrow returns one buffer, for a transfer that needs only one at a time: 1 MiB, or [SmallBufferSize] if more than half of
// the budget is in use. It waits as [Claim.Take] does. The caller must call giveBack once.
func (s *Share) Borrow(ctx context.Context, stall time.Duration) (buffer []byte, giveBack func(), err error) {
	c := s.Claim(1, true)
	c.borrowed = true
	if s.budget.HalfFree() {
		c.startSmall, c.startLarge, c.need = false, true, largeBufferSize
	}
	defer c.Seal()
	if buffer, err = c.Take(ctx, stall); err != nil {
		return nil, nil, err
	}
	return buffer, func() { c.Free(buffer) }, nil
}

// Prefetch returns buffers for that many bytes of a download, to be read from S3 before the client needs them. It does
// not wait: it returns nil if more than half of the budget would be in use, or if a claim waits. It leaves the reserve alone.
//
// The check against deadlock treats these buffers as lost, because only the download's client determines when they are
// free again. The caller must give them to ReturnPrefetched.
func (s *Share) Prefetch(bytes int64) [][]byte {
	n := roundUp(bytes, false)
	if !s.budget.grantPrefetch(n) {
		return nil
	}
	buffers := make([][]byte, n/BufferSize)
	for i := range buffers {
		buffers[i] = s.budget.buffer(BufferSize)
	}
	return buffers
}

// Lend returns one buffer, for bytes that wait for their client: of [SmallBufferSize] if that holds n bytes, and otherwise of
// [BufferSize]. It does not wait, and returns nil in the same cases as Prefetch. The caller must give it to ReturnPrefetched.
func (s *Share) Lend(n int) []byte {
	size := int64(BufferSize)
	if n <= SmallBufferSize {
		size = SmallBufferSize
	}
	if !s.budget.grantPrefetch(size) {
		return nil
	}
	return s.budget.buffer(size)
}

// Reserve takes bytes of the budget for memory that waits for a client and is not the budget's own, such as that of package ssh. It
// does not wait, and reports false in the same cases as Prefetch. The caller must call Unreserve with the same number.
func (s *Share) Reserve(bytes int64) bool { return s.budget.grantPrefetch(bytes) }

// Unreserve undoes Reserve.
func (s *Share) Unreserve(bytes int64) {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &b.regions[common]
	r.prefetched -= bytes
	r.used -= bytes
	if b.used() == 0 {
		b.freeWhenIdle()
	}
	b.wake()
}

func (b *Budget) grantPrefetch(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &b.regions[common]
	if len(b.waiters) > 0 || b.used()+n > b.size/2 || b.users != nil && r.prefetched+n > r.size-b.regions[reserve].size {
		return false // beside prefetched buffers, the region must have room for a part
	}
	r.used += n
	r.prefetched += n
	return true
}

// ReturnPrefetched takes back buffers that Prefetch or Lend returned.
func (s *Share) ReturnPrefetched(buffers ...[]byte) {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &b.regions[common]
	r.prefetched -= b.put(r, buffers)
	b.wake()
}

// holdings counts what a user holds, over all sessions.
type holdings struct {
	parts    int // of uploads, without those that can be evicted
	borrowed int // buffers
}

// count updates the holdings of the claim's user, after c.inUse or c.evictable has changed. Evictable parts do not count: otherwise
// an upload whose last part is retained in the reserve could not take its next part from there.
func (b *Budget) count(c *Claim) {
	counted := c.inUse > c.evictable
	if c.user == "" || counted == c.counted {
		return
	}
	c.counted = counted
	change := 1
	if !counted {
		change = -1
	}
	h := b.users[c.user]
	if c.borrowed {
		h.borrowed += change
	} else {
		h.parts += change
	}
	if b.users[c.user] = h; h == (holdings{}) {
		delete(b.users, c.user)
	}
}

// mayUseReserve reports whether the reserve may serve a claim, beside what else its user holds.
func (b *Budget) mayUseReserve(c *Claim) bool {
	if c.user == "" || c.need > b.regions[reserve].size {
		return false
	}
	h := b.users[c.user]
	if c.borrowed {
		return h.parts <= 1 && h.borrowed == 0
	}
	return h.parts == 0 || h.parts == 1 && c.counted
}
