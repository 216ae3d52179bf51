package s3fs

import (
	"context"
	"io"
	"time"
)

// rangeSize is how much of an object is asked for at a time when it is fetched in parallel, and how much of it has to
// have come in one stream before that is thought of.
const rangeSize = 8 << 20

// A rangeFetch is a range of an object that is fetched before it is due.
type rangeFetch struct {
	stream
	buffers chan []byte // the content, in order; closed at the end, after err is set
	err     error
}

// prefetch begins as many spans as the pace asks for and the memory allows, with front as the first of them.
func (d *download) prefetch() {
	for d.etag != "" && d.concurrency.limit > 1 && d.requests() < d.concurrency.limit && d.startNext() {
	}
}

// requests returns how many requests the download has, or has had and not yet delivered.
func (d *download) requests() int {
	if d.stream.at < d.stream.end {
		return 1 + len(d.prefetched)
	}
	return len(d.prefetched)
}

// startNext starts the stretch that follows all that is asked for, and reports whether there was one, and memory for it.
func (d *download) startNext() bool {
	from := d.stream.end
	if n := len(d.prefetched); n > 0 {
		from = d.prefetched[n-1].end
	}
	single := from == d.end && len(d.prefetched) == 0
	if single {
		// The one stream would go on to the end. It is made to end sooner, if it has been worth its request, and
		// what follows is worth others.
		from = d.offset + rangeSize
		if d.offset-d.streamStart < rangeSize || from+rangeSize > d.end {
			return false
		}
	}
	if from == d.end {
		return false
	}
	end := min(from+rangeSize, d.end)
	buffers := d.fs.budget.Prefetch(end - from)
	if buffers == nil {
		return false
	}
	if single {
		d.stream.end = from
	}
	d.startFetch(from, end, buffers)
	return true
}

func (d *download) startFetch(from, end int64, buffers [][]byte) {
	if d.stopPrefetch == nil {
		// Of the spans alone: when a context ends, so does a connection on which everything has just arrived.
		d.prefetchCtx, d.stopPrefetch = context.WithCancel(d.ctx)
	}
	s := &rangeFetch{stream: stream{version: d.version, ctx: d.prefetchCtx, at: from, end: end}, buffers: make(chan []byte, len(buffers))}
	d.prefetched = append(d.prefetched, s)
	go s.fill(buffers)
}

// fill fills the buffers, and hands over one after the other.
func (s *rangeFetch) fill(buffers [][]byte) {
	defer close(s.buffers)
	defer recoverPanic(&s.err)
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
	minParallel = 4
	maxParallel = 8
)

// fastRate is what one connection gives, in bytes a second, where nothing is gained by more of them: neither a long
// way nor a limit per connection is what such a service has, and what holds it up at times, as a busy processor, holds
// up all of them together. AWS gives about 90 MB/s.
const fastRate float64 = 200e6

// minGain is by how much more requests have to be faster than fewer. There are twice as many at least, so that this
// is not much to ask, and it is more than comes about by chance.
const minGain = 1.25

// A readConcurrency finds out how many requests a download is served best with: one while S3 delivers as fast as the client
// takes it, and where it does not, more for as long as that makes the whole faster. Where in the end the client is
// the slower one, they become fewer again.
type readConcurrency struct {
	limit        int
	previous     int     // the limit that this one has to beat; 0 = it is not on trial
	previousRate float64 // bytes a second, with the limit before
	settled      bool    // there is nothing more to try
	warmUp       bool    // the round is that in which the others begin, and tells nothing
	since        time.Time
	bytes        int64         // delivered since then
	waited       time.Duration // for S3
}

func newReadConcurrency() *readConcurrency { return &readConcurrency{limit: 1, since: time.Now()} }

// record notes that bytes have come for which the reader has waited since begin, and after a round, in which each
// request delivers a span, sets the limit anew. HasMemory says whether there is memory for more.
func (p *readConcurrency) record(bytes int64, begin time.Time, hasMemory func() bool) {
	now := time.Now()
	p.bytes += bytes
	p.waited += now.Sub(begin)
	if p.bytes < rangeSize*int64(p.limit) {
		return
	}
	if limit := p.nextLimit(now.Sub(p.since), hasMemory); limit != p.limit {
		p.limit, p.warmUp = limit, limit > p.limit
	} else {
		p.warmUp = false
	}
	p.since, p.bytes, p.waited = now, 0, 0
}

// nextLimit returns the limit for the next round.
func (p *readConcurrency) nextLimit(took time.Duration, hasMemory func() bool) int {
	if p.warmUp {
		return p.limit
	}
	rate := float64(p.bytes) / max(took.Seconds(), 1e-6)
	if p.previous > 0 && rate < minGain*p.previousRate {
		p.settled = true
		limit := p.previous
		p.previous = 0
		return limit
	}
	p.previous = 0
	if p.limit == 1 && rate >= fastRate {
		p.settled = true
	}
	switch {
	case p.waited < took/4:
		return max(p.limit-1, 1)
	case p.waited > took*3/4 && !p.settled && p.limit < maxParallel && hasMemory():
		p.previous, p.previousRate = p.limit, rate
		return min(max(2*p.limit, minParallel), maxParallel)
	}
	return p.limit
}
