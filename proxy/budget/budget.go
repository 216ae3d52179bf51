package budget

import (
	"sync"
	"time"
)

// minSize is the least size of a budget in bytes.
const minSize = 8 << 20

// A Budget limits the memory of all buffers that are in use at a time. Its methods may be called from many goroutines
// at once. The methods of its embedded Share are for transfers of no particular user.
type Budget struct {
	Share

	// OnUse, if not nil, is called when InUse changes. It must not block, and be set before the first use of the budget.
	OnUse func()

	size    int64
	mu      sync.Mutex
	regions [2]region           // common and reserve
	users   map[string]holdings // of those who hold something; nil = no reserve
	waiters []*waiter           // the oldest first
	out     int64               // bytes of the buffers in use; less than used() while granted ones have not been taken from unused
	unused  unusedBuffers
	busy    bool        // a buffer was in use within idleTime
	idle    *time.Timer // frees unused buffers; nil = no buffer has been returned yet
}

// New returns a budget of that many bytes, but at least 8 MiB. It is not divided between users.
func New(bytes int64) *Budget {
	b := &Budget{size: max(bytes, minSize)}
	b.budget = b
	for i := range b.regions {
		b.regions[i].claims = make(map[*Claim]bool)
	}
	b.regions[common].size = b.size
	return b
}

// NewShared returns a budget as New does, with a reserve of a quarter for users who hold at most one part; see
// [Budget.ShareOf]. It has none if it cannot hold three parts of 5 MiB, which takes 15.1 MiB.
func NewShared(bytes int64) *Budget {
	b := New(bytes)
	if b.size < 3*minClaim {
		return b
	}
	b.users = make(map[string]holdings)
	b.regions[reserve].size = max(b.size/4+SmallBufferSize, minClaim) // the largest claim, which may start with a small buffer
	b.regions[common].size -= b.regions[reserve].size
	return b
}

// used returns the bytes of all buffers in use.
func (b *Budget) used() int64 { return b.regions[common].used + b.regions[reserve].used }

// HalfFree reports whether at least half of the budget is free.
func (b *Budget) HalfFree() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used() <= b.size/2
}

// InUse reports whether a buffer has been in use within the last 10 seconds.
func (b *Budget) InUse() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.busy
}

// Stats is a snapshot of the use of a budget.
type Stats struct {
	Size       int64 // of the budget, in bytes
	Used       int64 // bytes of all buffers in use
	Prefetched int64 // bytes of those that Prefetch returned
	Claims     int   // claims with buffers that are not sealed
	Waiting    int   // claims that wait for a buffer
	Retained   int   // parts that can be evicted now, or once they are sent
}

// Stats returns the current use of the budget.
func (b *Budget) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Stats{Size: b.size, Used: b.used(), Prefetched: b.regions[common].prefetched, Waiting: len(b.waiters)}
	for _, r := range b.regions {
		s.Claims += len(r.claims)
		s.Retained += len(r.retained)
	}
	return s
}
