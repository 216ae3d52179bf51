package budget

import "slices"

// A Retained is the buffers of a sealed part. It has two users at first: the caller, who sends the part, and the
// retention, which keeps the part after that in case it is needed once more. The last user's Release returns the
// buffers to the budget. While the retention is the only user, the budget may evict the buffers.
type Retained struct {
	budget  *Budget
	buffers *[][]byte
	users   int
}

// Retain retains buffers that Take returned. The budget sets *buffers to nil when it has them back.
func (c *Claim) Retain(buffers *[][]byte) *Retained {
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &Retained{budget: b, buffers: buffers, users: 2}
	b.retained = append(b.retained, r)
	return r
}

// Release ends one use of the buffers. The user must not read them after that.
func (r *Retained) Release() {
	b := r.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.release(r)
	b.wake()
}

// Reclaim ends the retention. If it reports true, the caller is a user in its place and must call Release;
// otherwise the buffers were evicted, or reclaimed before.
func (r *Retained) Reclaim() bool {
	b := r.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.retained, r)
	if i < 0 {
		return false
	}
	b.retained = slices.Delete(b.retained, i, i+1)
	return true
}

// evict returns to the budget the buffers that were retained first of those that have no other user, if there are
// any.
func (b *Budget) evict() bool {
	i := slices.IndexFunc(b.retained, func(r *Retained) bool { return r.users == 1 })
	if i < 0 {
		return false
	}
	b.release(b.retained[i])
	b.retained = slices.Delete(b.retained, i, i+1)
	return true
}

func (b *Budget) release(r *Retained) {
	if r.users--; r.users == 0 {
		b.put(*r.buffers)
		*r.buffers = nil
	}
}
