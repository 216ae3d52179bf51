package s3fs

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// sending is the part of an upload that ends when S3 has all of the content, or no request with a part of it is under way any more.
type sending struct {
	ctx    context.Context // of the parts, which outlives that of the upload so that they can be resumed from
	cancel context.CancelFunc

	id     string // of the multipart upload; "" = there is none
	begun  time.Time
	fixed  algorithm // of the multipart upload, where that is not the client's to choose
	summed bool      // it has a checksum algorithm

	parts    []sentPart
	size     int64 // of these
	inFlight int
	limit    int // of parts in flight
	answers  chan answer
	pace     *pace

	forCopies   bool          // the multipart upload is to have no checksum algorithm, so that S3 copies any object into it
	pending     *copyRange    // to be copied by S3 before the next part is sent
	copies      []partCopy    // under way
	slots       chan struct{} // of which each part that is being copied has one
	copiedParts int           // of parts
	copiedSize  int64         // of these
}

// A sentPart is a part that S3 has, or will have.
type sentPart struct {
	size int64
	etag *string
	sum  checksum
}

// answer is S3's answer to part i.
type answer struct {
	i    int
	etag *string
	sum  checksum
	err  error
}

// last sends the last part. If it is long enough to be resumed from, its last byte follows as a part of its own: else
// all of the content could be there without being published, and a client that compares sizes would take it for stored.
func (u *upload) last(p *part) error {
	u.resuming.dataEnded = true
	if p.size == 0 {
		p.free()
		return u.begin()
	}
	if !u.resuming.resumable || u.receiving.plan.uniform || p.size <= minPart || u.sending.dataParts()+1 >= u.receiving.plan.numbers {
		return u.send(p)
	}
	end := p.cut()
	if err := u.send(p); err != nil {
		return err
	}
	return u.send(end)
}

// send hands a part to a sender of its own, once fewer are in flight than S3 takes well.
func (u *upload) send(p *part) error {
	p.seal()
	if err := u.begin(); err != nil {
		p.free()
		return err
	}
	if u.sending.dataParts() >= u.receiving.plan.numbers {
		p.free()
		return fmt.Errorf("no number is left for another part after %d bytes: %w", u.sending.size, syscall.EFBIG)
	}
	u.sending.limit = u.mostInFlight(p)
	for u.sending.inFlight >= u.sending.limit || len(u.sending.answers) > 0 {
		if err := u.settle(); err != nil {
			p.free()
			return err
		}
	}
	if !u.resuming.owner.enter() {
		p.free()
		return errTaken
	}
	i := len(u.sending.parts)
	u.sending.parts = append(u.sending.parts, sentPart{size: p.size})
	u.sending.size += p.size
	u.sending.inFlight++
	u.retain(p)
	go func() {
		defer u.resuming.owner.leave()
		a := u.deliver(i, p)
		if a.err != nil {
			u.fail(fmt.Errorf("part %d: %w", u.sending.number(i), a.err)) // ends the upload at its next read, the others soon
		}
		u.sending.answers <- a
	}()
	return nil
}

// deliver sends part i and frees it.
func (u *upload) deliver(i int, p *part) (a answer) {
	a.i = i
	defer recovered(&a.err)
	defer p.free()
	a.etag, a.sum, a.err = u.sendPart(u.sending.number(i), p)
	return a
}

// mostInFlight returns how many parts may be in flight with p. Parts that have grown hide the time between two of them
// by themselves: where few were in flight, one is enough then.
func (u *upload) mostInFlight(p *part) int {
	if u.sending.pace.level == 0 && u.grown(p.size) {
		return 1
	}
	return u.sending.pace.limit()
}

// grown reports whether a part of size bytes has grown beyond the plan's smallest, as those of a long upload do.
func (u *upload) grown(size int64) bool { return size > u.receiving.plan.base }

// settle waits for one answer.
func (u *upload) settle() error {
	starved := u.sending.inFlight >= u.sending.limit
	a := <-u.sending.answers
	u.sending.inFlight--
	if a.err != nil {
		return context.Cause(u.ctx) // the first part to fail has made the others fail
	}
	u.sending.parts[a.i].etag, u.sending.parts[a.i].sum = a.etag, a.sum
	u.sending.pace.took(u.sending.parts[a.i].size, starved, u.fs.budget.HalfFree(), u.grown(u.sending.parts[a.i].size))
	return nil
}

// How many parts of one upload are in flight at a time.
const (
	leastInFlight = 2
	mostInFlight  = 8
)

// paces are the limits that are tried, one after the other.
var paces = []int{leastInFlight, 3, 5, mostInFlight}

// How many parts are sent before the first trial, as connections have to be made and services to warm up, and how many
// rounds a limit stands before it is looked at once more.
const (
	warmUp  = 4
	soonest = 4
)

// pace finds out how many parts in flight an upload is served best with: two while S3 takes them as fast as they
// come, or fast enough, and where it does not, more at a time for as long as that makes the whole faster. Later it
// looks once more whether fewer would not do: a service may only have been slow to begin.
type pace struct {
	level int // in paces
	trial trial
	best  float64   // bytes a second, with the limit before the trial
	since time.Time // when the round began
	bytes int64     // that S3 took since then
	parts int
	left  int // rounds before fewer are tried
}

// A trial is of a limit that is not settled yet.
type trial int

const (
	ofMore trial = iota
	ofFewer
	settled
)

func newPace() *pace { return &pace{parts: leastInFlight - warmUp} }

func (p *pace) limit() int { return paces[p.level] }

// took notes that S3 has taken a part, and sets the limit anew after a fair trial.
// Starved says that the upload had to wait for S3, more that there is memory for other parts, and grown that parts are
// large by now: then more of them are tried only where S3 is slow indeed.
func (p *pace) took(size int64, starved, more, grown bool) {
	p.parts++
	if p.parts == p.limit() { // the first ones were under way with another limit
		p.since, p.bytes = time.Now(), 0
		return
	}
	p.bytes += size
	if !starved || p.parts < 3*p.limit() {
		return
	}
	enough := fastEnough
	if grown {
		enough /= 4
	}
	rate := float64(p.bytes) / max(time.Since(p.since).Seconds(), 1e-6)
	p.judge(rate, more && rate < enough)
	p.since, p.bytes, p.parts = time.Now(), 0, 0
}

// judge ends a round in which S3 took so many bytes a second. More says whether it would be good to send more at a time.
func (p *pace) judge(rate float64, more bool) {
	switch {
	case p.trial == ofMore && p.level > 0 && rate < p.best*p.worth():
		p.level--
		p.settle(rate)
	case p.trial == ofMore && p.level == len(paces)-1:
		p.settle(rate)
	case p.trial == ofMore && more:
		p.level++
		p.best = rate
	case p.trial == ofFewer && p.left > 0:
		p.left--
		p.best = max(p.best, rate)
		if p.left == 0 {
			p.level--
		}
	case p.trial == ofFewer && rate*worthIt < p.best:
		p.level++
		p.trial = settled
	case p.trial == ofFewer:
		p.settle(rate)
	}
}

// worth returns by how much faster this limit has to be than the one before: by half of what it would be where each
// connection is limited, which is more than comes about by chance.
func (p *pace) worth() float64 {
	return 1 + (float64(p.limit())/float64(paces[p.level-1])-1)/2
}

// settle ends the search for a limit, but for a look at the one before.
func (p *pace) settle(rate float64) {
	p.trial, p.best, p.left = ofFewer, rate, soonest
	if p.level == 0 {
		p.trial = settled
	}
}
