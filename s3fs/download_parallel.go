package s3fs

import (
	"context"
	"io"
	"time"
)

// rangeSize is the size of a range that is fetched in parallel with others. Prefetching begins only after a stream has
// delivered as many bytes.
const rangeSize = 8 << 20

// A rangeFetch prefetches a range of an object.
type rangeFetch struct {
	stream
	buffers chan []byte // the bytes, in order; closed at the end, after err is set
	err     error
}

// prefetch starts as many fetches as the concurrency limit and the budget allow. The stream counts as one.
func (d *download) prefetch() {
	for d.etag != "" && d.concurrency.limit > 1 && d.requests() < d.concurrency.limit && d.startNext() {
	}
}

// requests returns the number of requests in progress, or complete and not yet delivered.
func (d *download) requests() int {
	if d.stream.at < d.stream.end {
		return 1 + len(d.prefetched)
	}
	return len(d.prefetched)
}

// startNext starts to fetch the range after all those that are requested. It reports false at the end of the download, or
// if the budget has no memory.
func (d *download) startNext() bool {
	from := d.stream.end
	if n := len(d.prefetched); n > 0 {
		from = d.prefetched[n-1].end
	}
	single := from == d.end && len(d.prefetched) == 0
	if single {
		// The only stream reads up to the end. Shorten it if it has delivered enough, and enough remains for another
		// range.
		from = d.offset + rangeSize
		if d.offset-d.streamStart < rangeSize || from+rangeSize > d.end {
			return false
		}
	}
	if from == d.end {
		return false
	}
	end := min(from+rangeSize, d.end)
	buffers := d.fs.share.Prefetch(end - from)
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
		// Not the context of stream: canceling that would close its connection even after the last byte, instead of
		// reusing it.
		d.prefetchCtx, d.stopPrefetch = context.WithCancel(d.ctx)
	}
	s := &rangeFetch{stream: stream{version: d.version, ctx: d.prefetchCtx, at: from, end: end}, buffers: make(chan []byte, len(buffers))}
	d.prefetched = append(d.prefetched, s)
	go s.fill(buffers)
}

// fill reads the range into the buffers and sends each full one to s.buffers.
func (s *rangeFetch) fill(buffers [][]byte) {
	defer close(s.buffers)
	defer recoverPanic(&s.err)
	defer func() { s.fs.share.ReturnPrefetched(buffers...) }()
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

// Limits of the requests in progress for one download, once it is parallel.
const (
	minParallel = 4
	maxParallel = 8
)

// fastRate, in bytes per second, is the rate of one connection above which more connections do not help. Such a service
// has neither a long round trip nor a limit per connection, and a busy CPU slows all connections down alike. AWS delivers
// about 90 MB/s per connection.
const fastRate float64 = 200e6

// minGain is how many times faster a higher limit must be. The limit is at least doubled, so this is easy to reach if
// parallel requests help at all, and it is more than random variation.
const minGain = 1.25

// readConcurrency finds the best number of parallel requests for a download. It is one while S3 delivers as fast as the
// client reads. Otherwise it grows for as long as the download becomes faster, and shrinks when the client becomes slower
// than S3.
type readConcurrency struct {
	limit        int
	previous     int     // the limit to compare with; 0 = the present limit is not on trial
	previousRate float64 // bytes per second with the previous limit
	settled      bool    // no higher limit is tried any more
	warmUp       bool    // new requests start in this round, so its rate means nothing
	since        time.Time
	bytes        int64         // delivered since then
	waited       time.Duration // for S3, since then
}

func newReadConcurrency() *readConcurrency { return &readConcurrency{limit: 1, since: time.Now()} }

// record counts bytes for which the reader has waited since begin. It adjusts the limit after each round, in which every
// request delivers one range. hasMemory reports whether the budget has memory for more requests.
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
