package grant

import (
	"context"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Place is a directory of a bucket whose files count towards a quota.
type Place struct {
	Bucket any    // identifies the bucket; comparable
	Dir    string // of the bucket, absolute and clean; "/" = all of it

	// Usage returns the total size in bytes and the number of the files in the directory, as [proxy.Store] does. It may be called
	// after the session that it is of has ended.
	Usage func(context.Context) (bytes, files int64, err error)
}

const (
	countEvery = time.Hour
	countWait  = 10 * time.Second // what an upload waits for the first count
	maxCounts  = 8                // at a time
)

// Usages are the sizes of places, for the quotas of all users of a process. Users with the same place share its count. A place is
// counted when its first quota is set, and every hour while it has one; in between, the changes by users with quotas are added. It
// is remembered for up to an hour after its last quota, so that a client that logs in for each file does not cause a count each time.
type Usages struct {
	ctx    context.Context // of the counts
	cancel context.CancelFunc
	turns  chan struct{} // of the counts
	counts sync.WaitGroup

	mu       sync.Mutex
	places   map[location]*usage
	files    map[location]*changedFile
	finished uint64 // counts so far
}

// A location is a file or directory of a bucket.
type location struct {
	bucket any
	name   string
}

// A tally is a number of bytes, and one of files.
type tally struct{ bytes, files int64 }

func (t tally) plus(o tally) tally  { return tally{t.bytes + o.bytes, t.files + o.files} }
func (t tally) minus(o tally) tally { return tally{t.bytes - o.bytes, t.files - o.files} }
func (t tally) max(o tally) tally   { return tally{max(t.bytes, o.bytes), max(t.files, o.files)} }
func (t tally) min(o tally) tally   { return tally{min(t.bytes, o.bytes), min(t.files, o.files)} }

// A usage is the size of a place. The lock of Usages protects it.
type usage struct {
	at     location
	count  func(context.Context) (bytes, files int64, err error)
	quotas int // that it is in

	known    bool
	used     tally
	growing  tally         // reserved by running uploads
	counting chan struct{} // closed at the end of the running count; nil = there is none
	err      error         // of the last count
	last     uint64        // the number of the last count that succeeded
	timer    *time.Timer   // until the next count

	grown, shrunk tally // the changes since the beginning of the running count
}

// NewUsages returns Usages that count until ctx ends, or Close is called.
func NewUsages(ctx context.Context) *Usages {
	ctx, cancel := context.WithCancel(ctx)
	return &Usages{ctx: ctx, cancel: cancel, turns: make(chan struct{}, maxCounts), places: make(map[location]*usage),
		files: make(map[location]*changedFile)}
}

// Close ends running counts, and waits for their end.
func (u *Usages) Close() {
	u.mu.Lock()
	u.cancel()
	for _, p := range u.places {
		p.stopTimer()
	}
	u.mu.Unlock()
	u.counts.Wait()
}

func (p *usage) stopTimer() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// useLocked returns the usage of a place, and starts a count if its size is unknown.
func (u *Usages) useLocked(place Place) *usage {
	at := location{place.Bucket, place.Dir}
	p := u.places[at]
	if p == nil {
		p = &usage{at: at}
		u.places[at] = p
	}
	p.count = place.Usage
	p.quotas++
	if !p.known {
		u.startLocked(p)
	}
	return p
}

// startLocked starts a count, unless there is one.
func (u *Usages) startLocked(p *usage) {
	if p.counting != nil || u.ctx.Err() != nil {
		return
	}
	p.stopTimer()
	p.counting = make(chan struct{})
	u.counts.Go(func() {
		found, err := u.list(p)
		u.mu.Lock()
		defer u.mu.Unlock()
		close(p.counting)
		p.counting, p.err = nil, err
		if err == nil {
			u.finished++
			p.last = u.finished
			p.correct(found)
		}
		if u.ctx.Err() == nil {
			p.timer = time.AfterFunc(countEvery, func() { u.again(p) })
		}
	})
}

// list counts a place.
func (u *Usages) list(p *usage) (found tally, err error) {
	select {
	case u.turns <- struct{}{}:
	case <-u.ctx.Done():
		return tally{}, context.Cause(u.ctx)
	}
	defer func() { <-u.turns }()
	u.mu.Lock()
	count := p.count
	p.grown, p.shrunk = tally{}, tally{}
	u.mu.Unlock()
	found.bytes, found.files, err = count(u.ctx)
	return found, err
}

// correct takes over the result of a count. A listing may have seen each change since its beginning or not, so the size stays as it is
// if such changes can explain the difference.
func (p *usage) correct(found tally) {
	high := found.plus(p.grown)
	if low := found.minus(p.shrunk).minus(p.growing); p.known {
		p.used = p.used.max(low).min(high)
	} else {
		p.known, p.used = true, high
	}
}

// again counts a place once more, or forgets it if it is in no quota.
func (u *Usages) again(p *usage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p.quotas > 0 {
		u.startLocked(p)
	} else if u.places[p.at] == p && p.counting == nil {
		delete(u.places, p.at)
	}
}

// await waits for the first counts of places. If one has failed, await starts it again.
func (u *Usages) await(ctx context.Context, places []*usage) error {
	ctx, cancel := context.WithTimeoutCause(ctx, countWait, proxy.ErrNotCounted)
	defer cancel()
	for _, p := range places {
		if err := u.awaitOne(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (u *Usages) awaitOne(ctx context.Context, p *usage) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p.known {
		return nil
	}
	u.startLocked(p)
	done := p.counting
	if done == nil {
		return proxy.ErrNotCounted // the process ends
	}
	u.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
	u.mu.Lock()
	switch {
	case p.known:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", proxy.ErrNotCounted, p.err)
}

// aboveLocked returns the usages of the places that have a file or directory.
func (u *Usages) aboveLocked(at location) (list []*usage) {
	for dir := at.name; ; dir = path.Dir(dir) {
		if p := u.places[location{at.bucket, dir}]; p != nil {
			list = append(list, p)
		}
		if dir == "/" {
			return list
		}
	}
}

// addLocked adds a change that has begun after a number of counts. What has become less may be in a count that has ended meanwhile:
// then it is not subtracted again.
func (p *usage) addLocked(change tally, began uint64) {
	if p.last > began {
		change = change.max(tally{})
	}
	p.used = p.used.plus(change).max(tally{})
	p.grown = p.grown.plus(change.max(tally{}))
	p.shrunk = p.shrunk.minus(change.min(tally{}))
}
