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

	id           string // of the multipart upload; "" = there is none
	created      time.Time
	algorithm    algorithm // of the multipart upload, where that is not the client's to choose
	hasChecksums bool      // it has a checksum algorithm

	parts       []sentPart
	size        int64 // of these
	inFlight    int
	limit       int // of parts in flight
	results     chan partResult
	concurrency *concurrency

	forCopies   bool          // the multipart upload is to have no checksum algorithm, so that S3 copies any object into it
	pendingCopy *copyRange    // to be copied by S3 before the next part is sent
	copies      []partCopy    // under way
	copySlots   chan struct{} // of which each part that is being copied has one
	copiedParts int           // of parts
	copiedSize  int64         // of these
}

// A sentPart is a part that S3 has, or will have.
type sentPart struct {
	size int64
	etag *string
	sum  checksum
}

// partResult is S3's answer to part i.
type partResult struct {
	index int
	etag  *string
	sum   checksum
	err   error
}

// sendLast sends the last part. If it is long enough to be resumed from, its last byte follows as a part of its own: else
// all of the content could be there without being published, and a client that compares sizes would take it for stored.
func (u *upload) sendLast(p *part) error {
	u.resuming.allReceived = true
	if p.size == 0 {
		p.free()
		return u.prepareForPart()
	}
	if !u.resuming.resumable || u.receiving.plan.uniform || p.size <= minPart || u.sending.uploadedParts()+1 >= u.receiving.plan.maxParts {
		return u.send(p)
	}
	end := p.cutLastByte()
	if err := u.send(p); err != nil {
		return err
	}
	return u.send(end)
}

// send hands a part to a sender of its own, once fewer are in flight than S3 takes well.
func (u *upload) send(p *part) error {
	p.seal()
	if err := u.prepareForPart(); err != nil {
		p.free()
		return err
	}
	if u.sending.uploadedParts() >= u.receiving.plan.maxParts {
		p.free()
		return fmt.Errorf("no number is left for another part after %d bytes: %w", u.sending.size, syscall.EFBIG)
	}
	u.sending.limit = u.inFlightLimit(p)
	for u.sending.inFlight >= u.sending.limit || len(u.sending.results) > 0 {
		if err := u.awaitPart(); err != nil {
			p.free()
			return err
		}
	}
	if !u.resuming.owner.beginRequest() {
		p.free()
		return errTakenOver
	}
	i := len(u.sending.parts)
	u.sending.parts = append(u.sending.parts, sentPart{size: p.size})
	u.sending.size += p.size
	u.sending.inFlight++
	u.retain(p)
	go func() {
		defer u.resuming.owner.endRequest()
		a := u.sendAndFree(i, p)
		if a.err != nil {
			u.fail(fmt.Errorf("part %d: %w", u.sending.partNumber(i), a.err)) // ends the upload at its next read, the others soon
		}
		u.sending.results <- a
	}()
	return nil
}

// sendAndFree sends part i and frees it.
func (u *upload) sendAndFree(i int, p *part) (a partResult) {
	a.index = i
	defer recoverPanic(&a.err)
	defer p.free()
	a.etag, a.sum, a.err = u.sendPart(u.sending.partNumber(i), p)
	return a
}

// inFlightLimit returns how many parts may be in flight with p. Parts that have grown hide the time between two of them
// by themselves: where few were in flight, one is enough then.
func (u *upload) inFlightLimit(p *part) int {
	if u.sending.concurrency.level == 0 && u.hasGrown(p.size) {
		return 1
	}
	return u.sending.concurrency.limit()
}

// hasGrown reports whether a part of size bytes has grown beyond the plan's smallest, as those of a long upload do.
func (u *upload) hasGrown(size int64) bool { return size > u.receiving.plan.minSize }

// awaitPart waits for one answer.
func (u *upload) awaitPart() error {
	starved := u.sending.inFlight >= u.sending.limit
	a := <-u.sending.results
	u.sending.inFlight--
	if a.err != nil {
		return context.Cause(u.ctx) // the first part to fail has made the others fail
	}
	u.sending.parts[a.index].etag, u.sending.parts[a.index].sum = a.etag, a.sum
	u.sending.concurrency.partDone(u.sending.parts[a.index].size, starved, u.fs.budget.HalfFree(), u.hasGrown(u.sending.parts[a.index].size))
	return nil
}

// How many parts of one upload are in flight at a time.
const (
	minInFlight = 2
	maxInFlight = 8
)

// concurrencyLevels are the limits that are tried, one after the other.
var concurrencyLevels = []int{minInFlight, 3, 5, maxInFlight}

// How many parts are sent before the first trial, as connections have to be made and services to warm up, and how many
// rounds a limit stands before it is looked at once more.
const (
	warmUpParts   = 4
	settledRounds = 4
)

// concurrency finds out how many parts in flight an upload is served best with: two while S3 takes them as fast as they
// come, or fast enough, and where it does not, more at a time for as long as that makes the whole faster. Later it
// looks once more whether fewer would not do: a service may only have been slow to begin.
type concurrency struct {
	level      int // in paces
	trial      trial
	bestRate   float64   // bytes a second, with the limit before the trial
	roundStart time.Time // when the round began
	roundBytes int64     // that S3 took since then
	roundParts int
	roundsLeft int // rounds before fewer are tried
}

// A trial is of a limit that is not settled yet.
type trial int

const (
	tryMore trial = iota
	tryFewer
	settled
)

func newConcurrency() *concurrency { return &concurrency{roundParts: minInFlight - warmUpParts} }

func (p *concurrency) limit() int { return concurrencyLevels[p.level] }

// partDone notes that S3 has taken a part, and sets the limit anew after a fair trial.
// Starved says that the upload had to wait for S3, more that there is memory for other parts, and grown that parts are
// large by now: then more of them are tried only where S3 is slow indeed.
func (p *concurrency) partDone(size int64, starved, more, grown bool) {
	p.roundParts++
	if p.roundParts == p.limit() { // the first ones were under way with another limit
		p.roundStart, p.roundBytes = time.Now(), 0
		return
	}
	p.roundBytes += size
	if !starved || p.roundParts < 3*p.limit() {
		return
	}
	enough := fastRate
	if grown {
		enough /= 4
	}
	rate := float64(p.roundBytes) / max(time.Since(p.roundStart).Seconds(), 1e-6)
	p.endRound(rate, more && rate < enough)
	p.roundStart, p.roundBytes, p.roundParts = time.Now(), 0, 0
}

// endRound ends a round in which S3 took so many bytes a second. More says whether it would be good to send more at a time.
func (p *concurrency) endRound(rate float64, more bool) {
	switch {
	case p.trial == tryMore && p.level > 0 && rate < p.bestRate*p.minSpeedup():
		p.level--
		p.settle(rate)
	case p.trial == tryMore && p.level == len(concurrencyLevels)-1:
		p.settle(rate)
	case p.trial == tryMore && more:
		p.level++
		p.bestRate = rate
	case p.trial == tryFewer && p.roundsLeft > 0:
		p.roundsLeft--
		p.bestRate = max(p.bestRate, rate)
		if p.roundsLeft == 0 {
			p.level--
		}
	case p.trial == tryFewer && rate*minGain < p.bestRate:
		p.level++
		p.trial = settled
	case p.trial == tryFewer:
		p.settle(rate)
	}
}

// minSpeedup returns by how much faster this limit has to be than the one before: by half of what it would be where each
// connection is limited, which is more than comes about by chance.
func (p *concurrency) minSpeedup() float64 {
	return 1 + (float64(p.limit())/float64(concurrencyLevels[p.level-1])-1)/2
}

// settle ends the search for a limit, but for a look at the one before.
func (p *concurrency) settle(rate float64) {
	p.trial, p.bestRate, p.roundsLeft = tryFewer, rate, settledRounds
	if p.level == 0 {
		p.trial = settled
	}
}
