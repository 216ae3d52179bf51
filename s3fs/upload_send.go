package s3fs

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// sending is the state of an upload that is needed until S3 has received all of its parts, or none of them is in
// flight any more.
type sending struct {
	ctx    context.Context // of the parts; it outlives that of the upload, so that more can be resumed
	cancel context.CancelFunc

	id           string // of the multipart upload; "" = not created yet
	created      time.Time
	algorithm    algorithm // that the multipart upload demands; "" = Client.algorithm
	hasChecksums bool      // the multipart upload has a checksum algorithm

	parts       []sentPart
	size        int64 // of parts
	inFlight    int
	limit       int // of inFlight
	results     chan partResult
	concurrency *concurrency

	forCopies   bool          // create the multipart upload without a checksum algorithm, so that S3 copies any object into it
	pendingCopy *copyRange    // for S3 to copy before the next part is sent
	copies      []partCopy    // in progress
	copySlots   chan struct{} // limits the parts that S3 copies at the same time
	copiedParts int           // how many of parts S3 copies
	copiedSize  int64         // of copiedParts
}

// A sentPart is a part that S3 has, or will have.
type sentPart struct {
	size int64
	etag *string // nil = not confirmed yet
	sum  checksum
}

// partResult is S3's answer to a part.
type partResult struct {
	index int
	etag  *string
	sum   checksum
	err   error
}

// sendLast sends the last part. If the upload can then be resumed, the last byte of the content goes into a part of
// its own, which is too short to be resumed from: a resumable upload must not have the full size, because a client
// that compares sizes would take it for a stored file.
func (u *upload) sendLast(p *part) error {
	u.resuming.allReceived = true
	if p.size == 0 {
		p.free()
		return u.prepareForPart()
	}
	if !u.resuming.resumable || u.receiving.plan.uniform || p.size <= minPart || u.sending.uploadedParts()+1 >= u.receiving.plan.maxParts {
		return u.send(p)
	}
	last := p.cutLastByte()
	if err := u.send(p); err != nil {
		return err
	}
	return u.send(last)
}

// send waits until fewer parts are in flight than the limit, and sends a part in a new goroutine.
func (u *upload) send(p *part) error {
	p.seal()
	if err := u.prepareForPart(); err != nil {
		p.free()
		return err
	}
	if u.sending.uploadedParts() >= u.receiving.plan.maxParts {
		p.free()
		return fmt.Errorf("no part number is left after %d bytes: %w", u.sending.size, syscall.EFBIG)
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
			u.fail(fmt.Errorf("part %d: %w", u.sending.partNumber(i), a.err)) // cancels the next read and the other parts
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

// inFlightLimit returns how many parts may be in flight, including p. One is enough if parts have grown and S3 kept
// up so far: a large part hides the time between two requests.
func (u *upload) inFlightLimit(p *part) int {
	if u.sending.concurrency.level == 0 && u.hasGrown(p.size) {
		return 1
	}
	return u.sending.concurrency.limit()
}

// hasGrown reports whether a part of size bytes is larger than the first ones, as in a long upload.
func (u *upload) hasGrown(size int64) bool { return size > u.receiving.plan.minSize }

// awaitPart waits for the result of one part.
func (u *upload) awaitPart() error {
	starved := u.sending.inFlight >= u.sending.limit
	a := <-u.sending.results
	u.sending.inFlight--
	if a.err != nil {
		return context.Cause(u.ctx) // the error of the first part that failed
	}
	sent := &u.sending.parts[a.index]
	sent.etag, sent.sum = a.etag, a.sum
	u.sending.concurrency.partDone(sent.size, starved, u.fs.budget.HalfFree(), u.hasGrown(sent.size))
	return nil
}

// Limits of the parts of one upload that are in flight.
const (
	minInFlight = 2
	maxInFlight = 8
)

// concurrencyLevels are the limits to try, in this order.
var concurrencyLevels = []int{minInFlight, 3, 5, maxInFlight}

const (
	warmUpParts   = 4 // sent before the first trial, while connections are made
	settledRounds = 4 // for which a limit is used before a lower one is tried
)

// concurrency finds the best number of parts in flight for an upload. It begins with two, and keeps two while S3
// accepts parts as fast as they come, or fast enough. Otherwise it tries more, as long as each level is clearly
// faster than the one before. Later it tries the lower level again, because a service may only have been slow at
// first.
type concurrency struct {
	level      int // index in concurrencyLevels
	trial      trial
	bestRate   float64 // bytes per second at the level before the trial
	roundStart time.Time
	roundBytes int64 // accepted by S3 since roundStart
	roundParts int
	roundsLeft int // until a lower level is tried
}

// A trial is the direction in which another limit is tried.
type trial int

const (
	tryMore trial = iota
	tryFewer
	settled
)

func newConcurrency() *concurrency { return &concurrency{roundParts: minInFlight - warmUpParts} }

func (c *concurrency) limit() int { return concurrencyLevels[c.level] }

// partDone records that S3 has accepted a part, and ends the round after enough parts. starved says that the upload
// had to wait for S3, memory that the budget has room for more parts, and grown that parts are large: then more of
// them are tried only if S3 is very slow.
func (c *concurrency) partDone(size int64, starved, memory, grown bool) {
	c.roundParts++
	if c.roundParts == c.limit() { // the first ones were in flight under the old limit
		c.roundStart, c.roundBytes = time.Now(), 0
		return
	}
	c.roundBytes += size
	if !starved || c.roundParts < 3*c.limit() {
		return
	}
	enough := fastRate
	if grown {
		enough /= 4
	}
	rate := float64(c.roundBytes) / max(time.Since(c.roundStart).Seconds(), 1e-6)
	c.endRound(rate, memory && rate < enough)
	c.roundStart, c.roundBytes, c.roundParts = time.Now(), 0, 0
}

// endRound chooses the level for the next round, after one in which S3 accepted rate bytes per second. more says
// whether a higher level may be tried.
func (c *concurrency) endRound(rate float64, more bool) {
	switch {
	case c.trial == tryMore && c.level > 0 && rate < c.bestRate*c.minSpeedup():
		c.level--
		c.settle(rate)
	case c.trial == tryMore && c.level == len(concurrencyLevels)-1:
		c.settle(rate)
	case c.trial == tryMore && more:
		c.level++
		c.bestRate = rate
	case c.trial == tryFewer && c.roundsLeft > 0:
		c.roundsLeft--
		c.bestRate = max(c.bestRate, rate)
		if c.roundsLeft == 0 {
			c.level--
		}
	case c.trial == tryFewer && rate*minGain < c.bestRate:
		c.level++
		c.trial = settled
	case c.trial == tryFewer:
		c.settle(rate)
	}
}

// minSpeedup returns by which factor this level must be faster than the one below: half of the gain if each
// connection were limited by itself, which is more than chance.
func (c *concurrency) minSpeedup() float64 {
	return 1 + (float64(c.limit())/float64(concurrencyLevels[c.level-1])-1)/2
}

// settle keeps the current level for settledRounds.
func (c *concurrency) settle(rate float64) {
	c.trial, c.bestRate, c.roundsLeft = tryFewer, rate, settledRounds
	if c.level == 0 {
		c.trial = settled
	}
}
