package observe

import (
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/event"
)

const (
	firstReport = 5 * time.Second // after a problem, so that the report of a short one is that of its end
	reportEvery = time.Minute     // at least, between two reports
)

// reports collects problems with the receiver, which are reported together.
type reports struct {
	mu      sync.Mutex
	flush   func() // reports; nil = Run does not run
	due     *time.Timer
	last    time.Time             // of the last report
	dropped []event.EventsDropped // one for each reason
	total   int                   // dropped since the start
	err     error                 // of the last failed attempt
}

// begin calls flush from now on when a report is due.
func (r *reports) begin(flush func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flush = flush
	if r.dropped != nil {
		r.schedule()
	}
}

// end stops the calls of flush.
func (r *reports) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flush = nil
	if r.due != nil {
		r.due.Stop()
	}
}

// drop notes that events were dropped.
func (r *reports) drop(n int, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.schedule()
	r.total += n
	for i := range r.dropped {
		if r.dropped[i].Err.Error() == reason.Error() {
			r.dropped[i].Count += n
			return
		}
	}
	r.dropped = append(r.dropped, event.EventsDropped{Count: n, Err: reason})
}

// failed notes that an attempt failed, and will be repeated.
func (r *reports) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.schedule()
	r.err = err
}

// schedule makes a report due. The caller holds mu.
func (r *reports) schedule() {
	if r.due == nil && r.flush != nil {
		r.due = time.AfterFunc(max(firstReport, time.Until(r.last.Add(reportEvery))), r.flush)
	}
}

// take returns what has happened since the last call.
func (r *reports) take() (dropped []event.EventsDropped, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dropped, err = r.dropped, r.err
	r.dropped, r.err, r.due, r.last = nil, nil, nil, time.Now()
	return dropped, err
}

// Dropped returns the number of events that were dropped since the start.
func (e *Events) Dropped() int {
	e.reports.mu.Lock()
	defer e.reports.mu.Unlock()
	return e.reports.total
}
