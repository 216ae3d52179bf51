package s3fs

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"syscall"
	"time"
)

// minMemory is the least that a budget may be.
const minMemory = 8 << 20

// A Memory is the budget for the buffers of all transfers that share it.
//
// An upload takes slabs as its bytes arrive. It gets one only if afterwards the parts that are being filled can
// still be filled, in some order, each with what the ones before it give back: so there is always one that goes
// on, and no set of uploads can lock each other out.
type Memory struct {
	size    int64
	mu      sync.Mutex
	spares  spares
	used    int64           // all slabs that are out
	ahead   int64           // those of them that spare gave
	filling map[*claim]bool // claims that hold something and will want more
	waiting []*wish         // in the order of their coming
	kept    []*part         // sent, but kept for as long as nobody needs their memory
}

// NewMemory returns a budget of so many bytes; fewer than 8 MiB are taken as 8 MiB.
func NewMemory(bytes int64) *Memory {
	return &Memory{size: max(bytes, minMemory), filling: make(map[*claim]bool)}
}

// A claim is one upload's share, as far as the part being filled is concerned.
// What has been sealed is on its way to S3, will come back without more memory, and counts no longer.
type claim struct {
	m    *Memory
	held int64
	need int64 // what the part takes before it can be sent
}

// wish is a claim waiting for n bytes.
type wish struct {
	*claim
	n       int64
	granted chan struct{}
}

// take returns a slab of n bytes, waiting up to stall for it, and after that fails with syscall.ENOBUFS.
// A claim that holds all it needs does not wait: it gets nil, and should send what it has.
func (c *claim) take(ctx context.Context, n int64, stall time.Duration) ([]byte, error) {
	m := c.m
	m.mu.Lock()
	overtakes := len(m.waiting) > 0 && c.held == 0
	if !overtakes && m.room(c, n) {
		m.grant(c, n)
		m.mu.Unlock()
		return m.slab(n), nil
	}
	if c.held > 0 && c.held >= c.need {
		m.mu.Unlock()
		return nil, nil
	}
	w := &wish{claim: c, n: n, granted: make(chan struct{})}
	m.waiting = append(m.waiting, w)
	m.mu.Unlock()
	return m.await(ctx, w, stall)
}

func (m *Memory) await(ctx context.Context, w *wish, stall time.Duration) ([]byte, error) {
	timer := time.NewTimer(stall)
	defer timer.Stop()
	var err error
	select {
	case <-w.granted:
		return m.slab(w.n), nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = syscall.ENOBUFS
	}
	if m.withdraw(w) {
		return nil, err
	}
	return m.slab(w.n), nil // granted at the last moment
}

// withdraw reports whether the wish had not been granted yet.
func (m *Memory) withdraw(w *wish) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.waiting, w)
	if i >= 0 {
		m.waiting = slices.Delete(m.waiting, i, i+1)
		m.wake() // whoever had to queue behind it
	}
	return i >= 0
}

// borrow returns a slab for a transfer that needs but one, and will give it back: a small one when memory is short.
func (m *Memory) borrow(ctx context.Context, stall time.Duration) ([]byte, error) {
	n := int64(smallSlab)
	if m.roomy() {
		n = slabSize
	}
	c := &claim{m: m, need: n}
	defer c.seal()
	return c.take(ctx, n, stall)
}

// seal says that the part will not grow: its slabs will come back by themselves, through free.
func (c *claim) seal() {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.held = 0
	delete(c.m.filling, c)
	c.m.wake()
}

// free takes slabs back.
func (m *Memory) free(slabs ...[]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.back(slabs)
	m.wake()
}

// largestPart returns the most that any one part may need: small enough that a few fit in at a time.
func (m *Memory) largestPart() int64 { return max(m.size/4, slabs(minPart, true)) }

// roomy reports whether at least half of the budget is unused.
func (m *Memory) roomy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used <= m.size/2
}

func (m *Memory) grant(c *claim, n int64) {
	m.used += n
	c.held += n
	m.filling[c] = true
}

// wake grants what can be granted, first come, first served, except that a claim which already holds something
// may overtake: those are few, and end by giving back. One that holds nothing never does, lest others starve.
func (m *Memory) wake() {
	queue := false
	m.waiting = slices.DeleteFunc(m.waiting, func(w *wish) bool {
		if queue && w.held == 0 || !m.room(w.claim, w.n) {
			queue = true
			return false
		}
		m.grant(w.claim, w.n)
		close(w.granted)
		return true
	})
}

// room is fits, after giving up kept parts for it.
func (m *Memory) room(c *claim, n int64) bool {
	for !m.fits(c, n) {
		if !m.evict() {
			return false
		}
	}
	return true
}

// fits reports whether n bytes are free, and the state after granting them would be safe.
func (m *Memory) fits(c *claim, n int64) bool {
	if m.used+n > m.size {
		return false
	}
	if m.size-m.used-n >= m.largestPart()+slabSize {
		return true // whoever comes first
	}
	c.held += n
	defer func() { c.held -= n }()
	claims := make([]*claim, 0, len(m.filling)+1)
	if !m.filling[c] {
		claims = append(claims, c)
	}
	for c := range m.filling {
		claims = append(claims, c)
	}
	return safe(m.size-m.ahead, claims)
}

// safe is the banker's rule: what is not held by these claims will come free, and then they can be
// satisfied one after the other, each giving back all it holds.
func safe(size int64, claims []*claim) bool {
	for _, c := range claims {
		size -= c.held
	}
	slices.SortFunc(claims, func(a, b *claim) int { return cmp.Compare(a.lacks(), b.lacks()) })
	for _, c := range claims {
		if c.lacks() > size {
			return false
		}
		size += c.held
	}
	return true
}

// lacks returns how much the part wants before it can be sent.
func (c *claim) lacks() int64 { return max(c.need-c.held, 0) }
