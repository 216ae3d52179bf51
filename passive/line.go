package passive

import (
	"math/rand/v2"
	"net/netip"
	"slices"
)

// A line is the queue of those who want a port on one local address, and what they need to know.
// Its fields but local are guarded by Ports.mu.
//
// The first of the queue alone looks for a free port, so that no two ever try the same one. When it finds none,
// those who can share a port do, in the order of the queue. Those who cannot let others pass, but only such as they
// could share a port with themselves: wherever these go, they are in nobody's way. All others wait behind.
// So nobody waits without need, and nobody is kept waiting by one who came later.
type line struct {
	local netip.Addr
	queue []*Listener
	first *Listener        // of the queue, or nil
	full  bool             // the first has found no free port, and waits
	doors map[uint16]*door // the ports on which we listen
}

// enter takes the last place in the line of l's local address.
func (p *Ports) enter(l *Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.line = p.lines[l.claim.Local]
	if l.line == nil {
		l.line = &line{local: l.claim.Local, doors: make(map[uint16]*door)}
		if p.lines == nil {
			p.lines = make(map[netip.Addr]*line)
		}
		p.lines[l.line.local] = l.line
	}
	l.line.requeue(append(l.line.queue, l))
	p.share(l.line)
}

// leave gives up a place, wherever it is. It reports false when l has got a port and has no place any more.
func (p *Ports) leave(l *Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.door != nil {
		return false
	}
	l.line.without(l)
	p.share(l.line) // with those whom l was in the way of
	p.forget(l.line)
	return true
}

// requeue makes queue the queue, and wakes a new first.
func (line *line) requeue(queue []*Listener) {
	line.queue = queue
	switch {
	case len(queue) == 0:
		line.first = nil
	case queue[0] != line.first:
		line.first, line.full = queue[0], false
		line.first.awake()
	}
}

func (line *line) without(l *Listener) {
	place := slices.Index(line.queue, l)
	line.requeue(slices.Delete(line.queue, place, place+1))
}

// awake lets l, the first of its line, look for a free port.
func (l *Listener) awake() {
	select {
	case l.wake <- struct{}{}:
	default: // it has been told already and has not looked since
	}
}

// look is called by the first of a line before it looks for a free port, and again when it has found none.
// It reports false when l has one to share.
func (p *Ports) look(l *Listener, full bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.door != nil {
		return false
	}
	l.line.full = full
	p.share(l.line)
	return l.door == nil
}

// share lets everybody in the line who can share a port, now that no other is free.
func (p *Ports) share(line *line) {
	if !line.full {
		return
	}
	var waiting []*Listener
	for _, l := range line.queue {
		hinders := func(before *Listener) bool { return !apart(before.claim, l.claim) }
		if !slices.ContainsFunc(waiting, hinders) {
			if d := p.roomFor(l.claim, line); d != nil {
				d.admit(l)
				continue
			}
		}
		waiting = append(waiting, l)
	}
	line.requeue(waiting)
}

// roomFor returns the door that c can share with the fewest claims of its own peer, who would have to be asked for
// their IDs; among equals one with few of others; among equals any. Without a door for c it returns nil.
func (p *Ports) roomFor(c Claim, line *line) (best *door) {
	var least [2]int
	equals := 0
	for _, d := range line.doors {
		load, ok := d.load(c)
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
			best = d
		}
	}
	return best
}

// load counts the claims on a door, those of c's peer and all. It is not ok for c to share a door with some of them,
// or one that is about to close.
func (d *door) load(c Claim) (claims [2]int, ok bool) {
	for _, l := range d.claims {
		if !apart(l.claim, c) {
			return claims, false
		}
		if l.claim.Peer == c.Peer {
			claims[0]++
		}
		claims[1]++
	}
	return claims, claims[1] > 0 && !d.broken
}

// taken reports whether we listen on the port; to try it would be a waste.
func (p *Ports) taken(line *line, port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return line.doors[port] != nil
}

// free notes that a door is closed, and tells the first of the line.
func (p *Ports) free(d *door) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(d.line.doors, d.port)
	if d.line.first != nil {
		d.line.first.awake()
	}
	p.forget(d.line)
}

// forget drops a line that serves nobody, for a host may be reached at more addresses than memory could hold.
func (p *Ports) forget(line *line) {
	if len(line.queue) == 0 && len(line.doors) == 0 {
		delete(p.lines, line.local)
	}
}
