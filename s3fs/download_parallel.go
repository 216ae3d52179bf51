package s3fs

import (
	"context"
	"io"
	"time"
)

// spanSize is how much of an object is asked for at a time when it is fetched in parallel, and how much of it has to
// have come in one stream before that is thought of.
const spanSize = 8 << 20

// A stretch is a range of an object that is fetched before it is due.
type stretch struct {
	stream
	buffers chan []byte // the content, in order; closed at the end, after err is set
	err     error
}

// lookAhead begins as many spans as the pace asks for and the memory allows, with front as the first of them.
func (d *download) lookAhead() {
	for d.etag != "" && d.pace.limit > 1 && d.underWay() < d.pace.limit && d.begin() {
	}
}

// underWay returns how many requests the download has, or has had and not yet delivered.
func (d *download) underWay() int {
	if d.front.at < d.front.end {
		return 1 + len(d.ahead)
	}
	return len(d.ahead)
}

// begin starts the stretch that follows all that is asked for, and reports whether there was one, and memory for it.
func (d *download) begin() bool {
	from := d.front.end
	if n := len(d.ahead); n > 0 {
		from = d.ahead[n-1].end
	}
	single := from == d.end && len(d.ahead) == 0
	if single {
		// The one stream would go on to the end. It is made to end sooner, if it has been worth its request, and
		// what follows is worth others.
		from = d.at + spanSize
		if d.at-d.direct < spanSize || from+spanSize > d.end {
			return false
		}
	}
	if from == d.end {
		return false
	}
	end := min(from+spanSize, d.end)
	buffers := d.fs.budget.Prefetch(end - from)
	if buffers == nil {
		return false
	}
	if single {
		d.front.end = from
	}
	d.fetch(from, end, buffers)
	return true
}

func (d *download) fetch(from, end int64, buffers [][]byte) {
	if d.stop == nil {
		// Of the spans alone: when a context ends, so does a connection on which everything has just arrived.
		d.spans, d.stop = context.WithCancel(d.ctx)
	}
	s := &stretch{stream: stream{version: d.version, ctx: d.spans, at: from, end: end}, buffers: make(chan []byte, len(buffers))}
	d.ahead = append(d.ahead, s)
	go s.fill(buffers)
}

// fill fills the buffers, and hands over one after the other.
func (s *stretch) fill(buffers [][]byte) {
	defer close(s.buffers)
	defer recovered(&s.err)
	defer func() { s.fs.budget.ReturnPrefetched(buffers...) }()
	defer s.close()
	for len(buffers) > 0 {
		want := min(int64(len(buffers[0])), s.end-s.at)
		if _, err := io.ReadFull(&s.stream, buffers[0][:want]); err != nil {
			s.err = err
			return
		}
		s.buffers <- buffers[0][:want]
		buffers = buffers[1:]
	}
}

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
// request delivers a span, sets the limit anew. HasMemory says whether there is memory for more.
func (p *readPace) took(bytes int64, begin time.Time, hasMemory func() bool) {
	now := time.Now()
	p.bytes += bytes
	p.waited += now.Sub(begin)
	if p.bytes < spanSize*int64(p.limit) {
		return
	}
	if limit := p.judge(now.Sub(p.since), hasMemory); limit != p.limit {
		p.limit, p.skip = limit, limit > p.limit
	} else {
		p.skip = false
	}
	p.since, p.bytes, p.waited = now, 0, 0
}

// judge returns the limit for the next round.
func (p *readPace) judge(took time.Duration, hasMemory func() bool) int {
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
	case p.waited > took*3/4 && !p.found && p.limit < mostAhead && hasMemory():
		p.before, p.best = p.limit, rate
		return min(max(2*p.limit, firstAhead), mostAhead)
	}
	return p.limit
}
