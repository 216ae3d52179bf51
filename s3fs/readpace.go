package s3fs

import "time"

// How many ranges of one download are under way at a time, when they are fetched in parallel.
const (
	firstAhead = 4
	mostAhead  = 8
)

// fastEnough is what one connection gives, in bytes a second, where nothing is gained by more of them: neither a long
// way nor a limit per connection is what such a service has, and what holds it up at times, as a busy processor, holds
// up all of them together. AWS gives about 90 MB/s.
const fastEnough float64 = 200e6

// worthIt is by how much more requests have to be faster than fewer. There are twice as many at least, so that this
// is not much to ask, and it is more than comes about by chance.
const worthIt = 1.25

// A readPace finds out how many requests a download is served best with: one while S3 delivers as fast as the client
// takes it, and where it does not, more for as long as that makes the whole faster. Where in the end the client is
// the slower one, they become fewer again.
type readPace struct {
	limit  int
	before int     // the limit that this one has to beat; 0 = it is not on trial
	best   float64 // bytes a second, with the limit before
	found  bool    // there is nothing more to try
	skip   bool    // the round is that in which the others begin, and tells nothing
	since  time.Time
	bytes  int64         // delivered since then
	waited time.Duration // for S3
}

func newReadPace() *readPace { return &readPace{limit: 1, since: time.Now()} }

// took notes that bytes have come for which the reader has waited since begin, and after a round, in which each
// request delivers a span, sets the limit anew. Roomy says whether there is memory for more.
func (p *readPace) took(bytes int64, begin time.Time, roomy func() bool) {
	now := time.Now()
	p.bytes += bytes
	p.waited += now.Sub(begin)
	if p.bytes < spanSize*int64(p.limit) {
		return
	}
	if limit := p.judge(now.Sub(p.since), roomy); limit != p.limit {
		p.limit, p.skip = limit, limit > p.limit
	} else {
		p.skip = false
	}
	p.since, p.bytes, p.waited = now, 0, 0
}

// judge returns the limit for the next round.
func (p *readPace) judge(took time.Duration, roomy func() bool) int {
	if p.skip {
		return p.limit
	}
	rate := float64(p.bytes) / max(took.Seconds(), 1e-6)
	if p.before > 0 && rate < worthIt*p.best {
		p.found = true
		limit := p.before
		p.before = 0
		return limit
	}
	p.before = 0
	if p.limit == 1 && rate >= fastEnough {
		p.found = true
	}
	switch {
	case p.waited < took/4:
		return max(p.limit-1, 1)
	case p.waited > took*3/4 && !p.found && p.limit < mostAhead && roomy():
		p.before, p.best = p.limit, rate
		return min(max(2*p.limit, firstAhead), mostAhead)
	}
	return p.limit
}
