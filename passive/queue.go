package passive

import (
	"math/rand/v2"
	"net/netip"
	"slices"
)

// A queue holds the ports open on one local address, and the listeners that wait for one. Its fields except local are
// guarded by Ports.mu.
//
// The first listener alone scans for a free port, so that no two try the same one. When its scan finds none, listeners
// share open ports in the order of the queue. A listener may overtake those before it only if it could share a port with
// every one of them, because then it cannot delay them.
type queue struct {
	local   netip.Addr
	waiting []*Listener
	first   *Listener        // waiting[0], or nil
	full    bool             // the last scan of first found no free port
	ports   map[uint16]*port // open ones
}

// enqueue adds l to the queue of its local address.
func (p *Ports) enqueue(l *Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.queue = p.queues[l.claim.Local]
	if l.queue == nil {
		l.queue = &queue{local: l.claim.Local, ports: make(map[uint16]*port)}
		if p.queues == nil {
			p.queues = make(map[netip.Addr]*queue)
		}
		p.queues[l.queue.local] = l.queue
	}
	l.queue.set(append(l.queue.waiting, l))
	p.share(l.queue)
}

// dequeue removes l from its queue. It reports false if l has been assigned a port meanwhile.
func (p *Ports) dequeue(l *Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.port != nil {
		return false
	}
	l.queue.remove(l)
	p.share(l.queue) // l may have been in the way of others
	p.deleteIfIdle(l.queue)
	return true
}

// set replaces the waiting listeners, and wakes the first if it is another one.
func (q *queue) set(waiting []*Listener) {
	q.waiting = waiting
	switch {
	case len(waiting) == 0:
		q.first = nil
	case waiting[0] != q.first:
		q.first, q.full = waiting[0], false
		q.first.wakeUp()
	}
}

func (q *queue) remove(l *Listener) {
	i := slices.Index(q.waiting, l)
	q.set(slices.Delete(q.waiting, i, i+1))
}

// wakeUp makes l, the first of its queue, scan for a free port.
func (l *Listener) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default: // a wake-up is pending
	}
}

// setFull notes, for the first of a queue, whether the range is full. It is called before and after a scan. It reports
// false if l has been assigned a port to share.
func (p *Ports) setFull(l *Listener, full bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.port != nil {
		return false
	}
	l.queue.full = full
	p.share(l.queue)
	return l.port == nil
}

// share assigns open ports to the listeners that can share one, if the range is full.
func (p *Ports) share(q *queue) {
	if !q.full {
		return
	}
	var waiting []*Listener
	for _, l := range q.waiting {
		blocks := func(before *Listener) bool { return !distinguishable(before.claim, l.claim) }
		if !slices.ContainsFunc(waiting, blocks) {
			if pt := q.leastLoaded(l.claim); pt != nil {
				pt.assign(l)
				continue
			}
		}
		waiting = append(waiting, l)
	}
	q.set(waiting)
}

// leastLoaded returns the open port that c can share with the fewest claims of its own peer, because those must be
// identified by their IDs; then with the fewest claims of others; then a random one. It returns nil if there is none.
func (q *queue) leastLoaded(c Claim) (best *port) {
	var least [2]int
	equals := 0
	for _, pt := range q.ports {
		load, ok := pt.load(c)
		order := slices.Compare(load[:], least[:])
		switch {
		case !ok:
			continue
		case best == nil || order < 0:
			least, equals = load, 1
		case order > 0:
			continue
		default:
			equals++
		}
		if rand.IntN(equals) == 0 {
			best = pt
		}
	}
	return best
}

// load counts the claims on a port: those of c's peer, and all. It is not ok if c cannot share the port, or if the port
// is about to close.
func (pt *port) load(c Claim) (claims [2]int, ok bool) {
	for _, l := range pt.listeners {
		if !distinguishable(l.claim, c) {
			return claims, false
		}
		if l.claim.Peer == c.Peer {
			claims[0]++
		}
		claims[1]++
	}
	return claims, claims[1] > 0 && !pt.failed
}

// isOpen reports whether the port is one of the queue's, so that binding it would fail.
func (p *Ports) isOpen(q *queue, number uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return q.ports[number] != nil
}

// release removes a closed port from its queue, and wakes the first listener there.
func (p *Ports) release(pt *port) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(pt.queue.ports, pt.number)
	if pt.queue.first != nil {
		pt.queue.first.wakeUp()
	}
	p.deleteIfIdle(pt.queue)
}

// deleteIfIdle deletes a queue without listeners and ports: a host may have more IPv6 addresses than fit into memory.
func (p *Ports) deleteIfIdle(q *queue) {
	if len(q.waiting) == 0 && len(q.ports) == 0 {
		delete(p.queues, q.local)
	}
}
