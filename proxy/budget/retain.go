package budget

import "slices"

// A Retained counts the users of the buffers of a sealed part. At first these are the sender, which is the caller, and the
// retention, which keeps the buffers in case the part is needed again. Release by the last user returns the buffers to the
// budget. While the retention is the only user, the budget may evict them.
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

// Release removes one user, which must not read the buffers after that.
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

// evict returns the oldest retained buffers without another user to the budget. It reports false if all have one.
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
