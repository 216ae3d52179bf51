package s3fs

import (
	"time"
)

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
