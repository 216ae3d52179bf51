package observe

import (
	"container/list"
	"errors"
	"sync"
	"time"
)

// An eventClass is a bounded part of the queue: events of one class never push out those of another.
type eventClass int

const (
	changes eventClass = iota // of files and directories, and broken uploads
	others                    // downloads and logins
	classes
)

// maxQueued limits the events of a class.
const maxQueued = 10_000

// Reasons why events are dropped.
var (
	errQueueFull = errors.New("the queue is full: the receiver does not keep up")
	errExpired   = errors.New("the receiver has not accepted the event within 15 minutes")
	errStopped   = errors.New("the server has stopped")
)

// A queued event is in the list of its lane and in that of its class, until it is delivered or dropped.
type queued struct {
	lane            *lane
	class           eventClass
	body            []byte
	inLane, inClass *list.Element
	first           time.Time // when it was sent first; zero = not yet
	sending         bool
}

// A lane has the events of a user, which are sent one after the other.
type lane struct {
	name   string
	events *list.List
	busy   bool        // the first event is being sent, the lane is in queue.ready, or retry will put it there
	retry  *time.Timer // nil unless the lane waits for its next attempt
	failed int         // attempts since the last success
}

// A queue has the events that are to be sent.
type queue struct {
	drop func(n int, reason error) // called with mu held

	mu       sync.Mutex
	wake     sync.Cond // of mu: ready, draining or stopped has changed, or the queue is empty
	lanes    map[string]*lane
	ready    *list.List // of lanes, the first to be sent next
	classes  [classes]*list.List
	draining bool // no events come any more
	stopped  bool
}

func newQueue(drop func(int, error)) *queue {
	q := &queue{drop: drop, lanes: make(map[string]*lane), ready: list.New()}
	q.wake.L = &q.mu
	for i := range q.classes {
		q.classes[i] = list.New()
	}
	return q
}

// add queues an event. If its class is full, it drops the oldest one of the class that is not being sent.
func (q *queue) add(name string, class eventClass, body []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		q.drop(1, errStopped)
		return
	}
	if q.classes[class].Len() >= maxQueued {
		for oldest := q.classes[class].Front(); oldest != nil; oldest = oldest.Next() {
			if e := oldest.Value.(*queued); !e.sending {
				q.remove(e)
				q.drop(1, errQueueFull)
				break
			}
		}
	}
	l := q.lanes[name]
	if l == nil {
		l = &lane{name: name, events: list.New()}
		q.lanes[name] = l
	}
	e := &queued{lane: l, class: class, body: body}
	e.inLane, e.inClass = l.events.PushBack(e), q.classes[class].PushBack(e)
	if !l.busy {
		q.makeReady(l)
	}
}

// remove removes an event, and its lane if that is not in use any more.
func (q *queue) remove(e *queued) {
	e.lane.events.Remove(e.inLane)
	q.classes[e.class].Remove(e.inClass)
	q.forget(e.lane)
}

// forget removes a lane that is not in use.
func (q *queue) forget(l *lane) {
	if l.events.Len() == 0 && !l.busy {
		delete(q.lanes, l.name)
	}
}

// makeReady lets the next attempt of a lane begin.
func (q *queue) makeReady(l *lane) {
	l.busy, l.retry = true, nil
	q.ready.PushBack(l)
	q.wake.Signal()
}

// next waits for an event to send. It returns nil after the queue has stopped, or has drained.
func (q *queue) next() *queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for q.ready.Len() > 0 && !q.stopped {
			l := q.ready.Remove(q.ready.Front()).(*lane)
			if l.events.Len() == 0 { // dropped meanwhile
				l.busy = false
				q.forget(l)
				continue
			}
			e := l.events.Front().Value.(*queued)
			e.sending = true
			if e.first.IsZero() {
				e.first = time.Now()
			}
			return e
		}
		if q.stopped || q.draining && len(q.lanes) == 0 {
			q.wake.Broadcast()
			return nil
		}
		q.wake.Wait()
	}
}

// delivered removes an event that was sent, or was dropped because of reason, and lets the next one of its lane be sent.
func (q *queue) delivered(e *queued, reason error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return // stop has dropped it
	}
	l := e.lane
	if reason != nil {
		q.drop(1, reason)
	}
	l.busy, l.failed = false, 0
	q.remove(e)
	if l.events.Len() > 0 {
		q.makeReady(l)
	}
	q.wake.Broadcast() // the queue may have drained
}

// failed schedules the next attempt of a lane, or drops an event that is too old.
func (q *queue) failed(e *queued, now time.Time) {
	if now.Sub(e.first) >= retryFor {
		q.delivered(e, errExpired)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	l := e.lane
	e.sending = false
	l.failed++
	delay := backoff(l.failed)
	if q.draining {
		delay = minBackoff
	}
	var timer *time.Timer
	timer = time.AfterFunc(delay, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if l.retry == timer {
			q.makeReady(l)
		}
	})
	l.retry = timer
}

// backoff returns the delay after that many failures of a lane: 1, 2, 4, 8, 16, and then 30 s.
func backoff(failed int) time.Duration {
	return min(minBackoff<<min(failed-1, 5), maxBackoff)
}

// drain ends the delays between attempts, and makes next return nil when the queue is empty.
func (q *queue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	for _, l := range q.lanes {
		if l.retry != nil {
			l.retry.Stop()
			q.makeReady(l)
		}
	}
	q.wake.Broadcast()
}

// stop makes next return nil, and drops all events.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	n := 0
	for _, l := range q.lanes {
		if l.retry != nil {
			l.retry.Stop()
		}
		n += l.events.Len()
	}
	for i := range q.classes {
		q.classes[i].Init()
	}
	clear(q.lanes)
	if n > 0 {
		q.drop(n, errStopped)
	}
	q.wake.Broadcast()
}

// waiting returns the number of events in the queue.
func (q *queue) waiting() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.classes {
		n += c.Len()
	}
	return n
}
