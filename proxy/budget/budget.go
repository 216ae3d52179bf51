package budget

import (
	"context"
	"sync"
	"time"
)

// minSize is the least size of a budget in bytes.
const minSize = 8 << 20

// A Budget limits the memory of all buffers that are in use at a time. Its methods may be called from many goroutines
// at once.
type Budget struct {
	size       int64
	mu         sync.Mutex
	used       int64           // bytes of all buffers in use
	prefetched int64           // bytes of those that Prefetch returned
	claims     map[*Claim]bool // with buffers, and not sealed
	waiters    []*waiter       // the oldest first
	retained   []*Retained     // the oldest first
	unused     bufferLists
	idle       *time.Timer // frees unused buffers; nil = no buffer has been returned yet
}

// New returns a budget of that many bytes, but at least 8 MiB.
func New(bytes int64) *Budget {
	return &Budget{size: max(bytes, minSize), claims: make(map[*Claim]bool)}
}

// Borrow returns one buffer, for a transfer that needs only one at a time: [BufferSize] bytes, or
// [SmallBufferSize] if more than half of the budget is in use. It waits as [Claim.Take] does. The caller must
// Return it.
func (b *Budget) Borrow(ctx context.Context, stall time.Duration) ([]byte, error) {
	c := b.Claim(1, !b.HalfFree())
	defer c.Seal()
	return c.Take(ctx, stall)
}

// Return takes back buffers that Borrow returned.
func (b *Budget) Return(buffers ...[]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(buffers)
	b.wake()
}

// Prefetch returns buffers for that many bytes of a download, to be read from S3 before the client needs them. It does
// not wait: it returns nil if more than half of the budget would be in use, or if a claim waits.
//
// The check against deadlock treats these buffers as lost, because only the download's client determines when they are
// free again. The caller must give them to ReturnPrefetched.
func (b *Budget) Prefetch(bytes int64) [][]byte {
	n := roundUp(bytes, false)
	if !b.grantPrefetch(n) {
		return nil
	}
	buffers := make([][]byte, n/BufferSize)
	for i := range buffers {
		buffers[i] = b.buffer(BufferSize)
	}
	return buffers
}

func (b *Budget) grantPrefetch(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiters) > 0 || b.used+n > b.size/2 {
		return false
	}
	b.used += n
	b.prefetched += n
	return true
}

// ReturnPrefetched takes back buffers that Prefetch returned.
func (b *Budget) ReturnPrefetched(buffers ...[]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.prefetched -= int64(len(buffers)) * BufferSize
	b.put(buffers)
	b.wake()
}

// HalfFree reports whether at least half of the budget is free.
func (b *Budget) HalfFree() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used <= b.size/2
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
	return Stats{b.size, b.used, b.prefetched, len(b.claims), len(b.waiters), len(b.retained)}
}
