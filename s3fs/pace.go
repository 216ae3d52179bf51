package s3fs

import "time"

// How many parts of one upload are in flight at a time.
const (
	leastInFlight = 2
	mostInFlight  = 8
)

// pace finds out how many parts in flight an upload is served best with: two while S3 takes them as fast as they
// come, and where it does not, one more at a time for as long as that makes the whole faster.
type pace struct {
	limit int
	since time.Time // when this limit was set
	bytes int64     // that S3 took since then
	parts int
	best  float64 // bytes a second, with the limit before
	found bool
}

func newPace() *pace { return &pace{limit: leastInFlight, since: time.Now()} }

// took notes that S3 has taken a part, and sets the limit anew after a fair trial.
// Starved says that the upload had to wait for S3, more that there is memory for another part.
func (p *pace) took(size int64, starved, more bool) {
	p.bytes += size
	p.parts++
	if p.found || !starved || p.parts < 2*p.limit {
		return
	}
	rate := float64(p.bytes) / max(time.Since(p.since).Seconds(), 1e-6)
	switch {
	case rate < 1.1*p.best:
		p.limit = max(p.limit-1, leastInFlight)
		p.found = true
	case more && p.limit < mostInFlight:
		p.limit++
		p.best = rate
	}
	p.since, p.bytes, p.parts = time.Now(), 0, 0
}
