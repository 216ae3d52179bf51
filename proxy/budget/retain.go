package budget

import "slices"

// A Retained counts the users of the buffers of a sealed part. At first these are the sender, which is the caller, and the
// retention, which keeps the buffers in case the part is needed again. Release by the last user returns the buffers to the
// budget. While the retention is the only user, the budget may evict them.
type Retained struct {
	claim    *Claim
	buffers  *[][]byte
	users    int
	retained bool // the retention is a user
}

// Retain retains buffers that Take returned. The budget sets *buffers to nil when it has them back.
func (c *Claim) Retain(buffers *[][]byte) *Retained {
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &Retained{claim: c, buffers: buffers, users: 2, retained: true}
	region := &b.regions[c.region]
	region.retained = append(region.retained, r)
	return r
}

// Release removes one user, which must not read the buffers after that.
func (r *Retained) Release() {
	b := r.claim.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.release(r)
	b.wake()
}

// Reclaim ends the retention. If it reports true, the caller is a user in its place and must call Release;
// otherwise the buffers were evicted, or reclaimed before.
func (r *Retained) Reclaim() bool {
	b := r.claim.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if !r.retained {
		return false
	}
	b.endRetention(r)
	b.count(r.claim)
	return true
}

// evict returns the oldest retained buffers of the region without another user. It reports false if all have one.
func (b *Budget) evict(from *region) bool {
	i := slices.IndexFunc(from.retained, (*Retained).isEvictable)
	if i < 0 {
		return false
	}
	r := from.retained[i]
	b.endRetention(r)
	b.release(r)
	return true
}

func (r *Retained) isEvictable() bool { return r.retained && r.users == 1 }

func (b *Budget) endRetention(r *Retained) {
	if r.isEvictable() {
		r.claim.evictable -= sizeOf(*r.buffers)
	}
	r.retained = false
	region := &b.regions[r.claim.region]
	region.retained = slices.DeleteFunc(region.retained, func(other *Retained) bool { return other == r })
}

func (b *Budget) release(r *Retained) {
	switch r.users--; {
	case r.users == 0:
		b.free(r.claim, *r.buffers)
		*r.buffers = nil
	case r.isEvictable():
		r.claim.evictable += sizeOf(*r.buffers)
		b.count(r.claim)
	}
}
