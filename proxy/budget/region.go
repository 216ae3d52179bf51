package budget

import (
	"cmp"
	"slices"
)

// The regions of a budget.
const (
	common  = iota // serves all claims
	reserve        // serves only users who hold at most one part; empty in a budget without one
)

// A region is a piece of the budget, and safe by itself: a claim has all its buffers in one region.
type region struct {
	size       int64           // in bytes
	used       int64           // bytes of all buffers in use
	prefetched int64           // bytes of those that Prefetch and Lend returned, or Reserve took
	claims     map[*Claim]bool // with buffers, and not sealed
	retained   []*Retained     // the oldest first
	queued     bool            // an older claim waits for the region; valid within wake and Take
}

// makeRoom reports whether the claim's next buffer fits. It evicts retained parts if that helps.
func (b *Budget) makeRoom(r *region, c *Claim) bool {
	for !b.fits(r, c) {
		if !b.evict(r) {
			return false
		}
	}
	return true
}

// fits reports whether the claim's next buffer is free in the region, and the region is safe after granting it. A claim with
// buffers in another region needs room for all of them. The other region remains safe without it.
func (b *Budget) fits(r *region, c *Claim) bool {
	n := c.nextSize()
	if !r.claims[c] {
		n += c.inUse
	}
	if r.used+n > r.size {
		return false
	}
	if r.size-r.used-n >= b.MaxClaim()+BufferSize {
		return true // any claim can be completed, even if rounding makes it larger than MaxClaim
	}
	held := c.held
	c.held += c.nextSize()
	defer func() { c.held = held }()
	claims := make([]*Claim, 0, len(r.claims)+1)
	if !r.claims[c] {
		claims = append(claims, c)
	}
	for c := range r.claims {
		claims = append(claims, c)
	}
	return safe(r.size-r.prefetched, claims)
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
