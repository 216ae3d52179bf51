package budget

import (
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
	user       string // "" = no particular user
	borrowed   bool   // the claim is for a buffer of a download
	startSmall bool
	startLarge bool  // the only buffer is a large one
	need       int64 // bytes of buffers before the part can be sent
	held       int64 // bytes of the buffers taken
	region     int   // of all buffers

	inUse     int64 // bytes of the buffers taken and not returned
	evictable int64 // bytes of those that can be evicted now
	counted   bool  // in the holdings of the user
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
	b.findQueues()
	if b.serve(c) {
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
	delete(b.regions[c.region].claims, c)
	b.wake()
}

// Free takes back buffers that Take returned, after Seal.
func (c *Claim) Free(buffers ...[]byte) {
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free(c, buffers)
	b.wake()
}

func (b *Budget) free(c *Claim, buffers [][]byte) {
	c.inUse -= b.put(&b.regions[c.region], buffers)
	b.count(c)
}

// nextSize returns the size of the next buffer.
func (c *Claim) nextSize() int64 {
	switch {
	case c.startSmall && c.held == 0:
		return SmallBufferSize
	case c.startLarge:
		return largeBufferSize
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
// once its part is complete. A claim without buffers never overtakes another that may be served by the same region: others
// could starve.
func (b *Budget) wake() {
	b.clearQueues()
	b.waiters = slices.DeleteFunc(b.waiters, func(w *waiter) bool {
		if !b.serve(w.claim) {
			return false
		}
		close(w.granted)
		return true
	})
}

// clearQueues and findQueues prepare serve: for the oldest waiter, and for a claim behind all waiters.
func (b *Budget) clearQueues() {
	for i := range b.regions {
		b.regions[i].queued = false
	}
}

func (b *Budget) findQueues() {
	b.clearQueues()
	for _, w := range b.waiters {
		b.queue(w.claim)
	}
}

// queue makes claims without buffers wait behind c.
func (b *Budget) queue(c *Claim) {
	first, last := b.choices(c)
	for i := first; i <= last; i++ {
		b.regions[i].queued = true
	}
}

// serve grants the claim's next buffer if a region has one for it. Otherwise it queues the claim.
func (b *Budget) serve(c *Claim) bool {
	first, last := b.choices(c)
	for i := first; i <= last; i++ {
		r := &b.regions[i]
		if r.queued && !r.claims[c] {
			continue
		}
		if b.makeRoom(r, c) {
			b.move(c, i)
			b.grant(c)
			return true
		}
	}
	b.queue(c)
	return false
}

// choices returns the first and the last region that may serve the claim's next buffer. The common one is tried first, because the
// reserve can serve fewer claims.
func (b *Budget) choices(c *Claim) (first, last int) {
	if c.region == reserve || b.mayUseReserve(c) {
		return c.region, reserve
	}
	return common, common
}

// move accounts the claim's buffers in another region.
func (b *Budget) move(c *Claim, to int) {
	from := &b.regions[c.region]
	from.used -= c.inUse
	delete(from.claims, c)
	c.region = to
	b.regions[to].used += c.inUse
	b.regions[to].claims[c] = true
}

// grant accounts the claim's next buffer.
func (b *Budget) grant(c *Claim) {
	n := c.nextSize()
	b.regions[c.region].used += n
	c.held += n
	c.inUse += n
	b.count(c)
}
