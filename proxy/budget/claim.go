package budget

import (
	"cmp"
	"context"
	"slices"
	"syscall"
	"time"
)

// minClaim is the minimum of [Budget.MaxClaim]: the buffers of the first part of a file, with 5 MiB, the smallest part that
// S3 accepts.
const minClaim = SmallBufferSize + 5<<20

// A Claim takes the buffers of one part of an upload, from the part's first byte until the part is sealed.
// It is used by one goroutine at a time.
type Claim struct {
	budget     *Budget
	startSmall bool
	need       int64 // bytes of buffers before the part can be sent
	held       int64 // bytes of the buffers taken
}

// Claim returns a claim for a part that can be sent once it has size bytes of content. It may have more. Size must be at
// most [Budget.MaxClaim]. If startSmall is true, the first buffer is a small one. A new claim holds no memory yet.
func (b *Budget) Claim(size int64, startSmall bool) *Claim {
	return &Claim{budget: b, startSmall: startSmall, need: roundUp(size, startSmall)}
}

// MaxClaim returns the most bytes that one claim may need: a quarter of the budget, so that several parts can be
// filled at a time, but at least a part of 5 MiB.
func (b *Budget) MaxClaim() int64 { return max(b.size/4, minClaim) }

// Take returns the next buffer. It waits up to stall for one, and then fails with [syscall.ENOBUFS].
//
// If no buffer is free and the claim holds all that it needs, Take does not wait. It returns nil without an error: the
// caller must send the part as it is. Take must not be called after Seal.
func (c *Claim) Take(ctx context.Context, stall time.Duration) ([]byte, error) {
	b := c.budget
	b.mu.Lock()
	n := c.nextSize()
	mustQueue := len(b.waiters) > 0 && c.held == 0
	if !mustQueue && b.makeRoom(c) {
		b.grant(c)
		b.mu.Unlock()
		return b.buffer(n), nil
	}
	if c.held > 0 && c.held >= c.need {
		b.mu.Unlock()
		return nil, nil
	}
	w := &waiter{claim: c, granted: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.mu.Unlock()
	if err := b.await(ctx, w, stall); err != nil {
		return nil, err
	}
	return b.buffer(n), nil
}

// Seal declares that the part takes no more buffers. It needs no more memory before it can return those it has, by Free or by
// a [Retained]. Further calls do nothing.
func (c *Claim) Seal() {
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.claims, c)
	b.wake()
}

// Free takes back buffers that Take returned, after Seal.
func (c *Claim) Free(buffers ...[]byte) { c.budget.Return(buffers...) }

// nextSize returns the size of the next buffer.
func (c *Claim) nextSize() int64 {
	if c.startSmall && c.held == 0 {
		return SmallBufferSize
	}
	return BufferSize
}

// lacks returns the number of bytes that the claim needs beyond those it holds.
func (c *Claim) lacks() int64 { return max(c.need-c.held, 0) }

// A waiter is a claim that waits for its next buffer.
type waiter struct {
	claim   *Claim
	granted chan struct{} // closed with the budget locked
}

// await waits until w is granted its buffer. After an error it is not granted.
func (b *Budget) await(ctx context.Context, w *waiter, stall time.Duration) error {
	timer := time.NewTimer(stall)
	defer timer.Stop()
	var err error
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = syscall.ENOBUFS
	}
	if !b.withdraw(w) {
		return nil // granted at the last moment
	}
	return err
}

// withdraw removes a waiter, and reports whether it was still waiting.
func (b *Budget) withdraw(w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiters, w)
	if i < 0 {
		return false
	}
	b.waiters = slices.Delete(b.waiters, i, i+1)
	b.wake() // claims that had to queue after it
	return true
}

// wake grants buffers to waiters, the oldest first. A claim that holds buffers may overtake others, because it returns them
// once its part is complete. A claim without buffers never overtakes: others could starve.
func (b *Budget) wake() {
	queued := false
	b.waiters = slices.DeleteFunc(b.waiters, func(w *waiter) bool {
		if queued && w.claim.held == 0 || !b.makeRoom(w.claim) {
			queued = true
			return false
		}
		b.grant(w.claim)
		close(w.granted)
		return true
	})
}

// grant accounts the claim's next buffer.
func (b *Budget) grant(c *Claim) {
	n := c.nextSize()
	b.used += n
	c.held += n
	b.claims[c] = true
}

// makeRoom reports whether the claim's next buffer fits. It evicts retained parts if that helps.
func (b *Budget) makeRoom(c *Claim) bool {
	for !b.fits(c) {
		if !b.evict() {
			return false
		}
	}
	return true
}

// fits reports whether the claim's next buffer is free, and the budget is safe after granting it.
func (b *Budget) fits(c *Claim) bool {
	n := c.nextSize()
	if b.used+n > b.size {
		return false
	}
	if b.size-b.used-n >= b.MaxClaim()+BufferSize {
		return true // any claim can be completed, even if rounding makes it larger than MaxClaim
	}
	held := c.held
	c.held += n
	defer func() { c.held = held }()
	claims := make([]*Claim, 0, len(b.claims)+1)
	if !b.claims[c] {
		claims = append(claims, c)
	}
	for c := range b.claims {
		claims = append(claims, c)
	}
	return safe(b.size-b.prefetched, claims)
}

// safe is the safety check of the banker's algorithm. Memory that none of these claims holds becomes free independently of
// them. With it, the claims must be able to complete one after the other, where each returns all it holds.
func safe(size int64, claims []*Claim) bool {
	for _, c := range claims {
		size -= c.held
	}
	slices.SortFunc(claims, func(a, b *Claim) int { return cmp.Compare(a.lacks(), b.lacks()) })
	for _, c := range claims {
		if c.lacks() > size {
			return false
		}
		size += c.held
	}
	return true
}
