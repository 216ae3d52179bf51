package main

import (
	"math"
	"os"
	"runtime"
	"time"
)

// A processorLimit decides how many processors the Go scheduler uses. With more than the work needs, a hand-over between two
// goroutines wakes another thread. For one client with small files, that is a fifth of the CPU time and of the time it waits. Large
// files move more bytes at a time with all processors, and wait seldom for their CPU time.
type processorLimit struct {
	all   int // the scheduler's default
	now   int
	fewer int // successive intervals in which fewer would have been enough

	// Of the last interval.
	cpu   time.Duration // CPU time of the process at its end
	waits int64         // of its threads, until its end
	at    time.Time     // its end
}

// Parameters of a processorLimit.
const (
	processorInterval = 100 * time.Millisecond
	fewerAfter        = 5    // intervals
	enoughUse         = 0.7  // of the processors' time: fewer are enough if they would be used less
	fullUse           = 0.85 // of the processors' time: more are needed

	// Waits of threads for each CPU second: with more than manyWaits at all processors fewer are better, with less than fewWaits all.
	manyWaits = 12_000
	fewWaits  = 11_500
)

// newProcessorLimit returns a processorLimit, or nil if the environment sets GOMAXPROCS or the CPU time is unknown.
func newProcessorLimit() *processorLimit {
	if _, _, known := cpuUse(); !known || os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	all := runtime.GOMAXPROCS(0)
	return &processorLimit{all: all, now: all}
}

// start begins with all processors: without transfers the limit is not adjusted, and logins may need them.
func (p *processorLimit) start() {
	if p == nil {
		return
	}
	p.beginInterval()
	if p.now != p.all {
		p.now, p.fewer = p.all, 0
		runtime.SetDefaultGOMAXPROCS()
	}
}

func (p *processorLimit) beginInterval() {
	p.cpu, p.waits, _ = cpuUse()
	p.at = time.Now()
}

// adjust ends an interval, and tells the scheduler the number of processors for the next one.
func (p *processorLimit) adjust() {
	if p == nil {
		return
	}
	cpu, waits, at, before := p.cpu, p.waits, p.at, p.now
	p.beginInterval()
	used := (p.cpu - cpu).Seconds()
	switch p.next(used/p.at.Sub(at).Seconds(), float64(p.waits-waits)/max(used, 1e-6)); p.now {
	case before:
	case p.all:
		runtime.SetDefaultGOMAXPROCS() // follows the limit of the container
	default:
		runtime.GOMAXPROCS(p.now)
	}
}

// next sets the number of processors for the next interval, given the CPU seconds used per second in the last one, and the waits for
// each of them.
func (p *processorLimit) next(used, waits float64) {
	enough := max(int(math.Ceil(used/enoughUse)), 1)
	switch {
	case used > fullUse*float64(p.now), p.now < p.all && waits < fewWaits:
		p.now, p.fewer = p.all, 0
	case enough >= p.now, waits < manyWaits:
		p.fewer = 0
	case p.fewer+1 < fewerAfter:
		p.fewer++
	default:
		p.now, p.fewer = enough, 0
	}
}
