package passive

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// A line is the queue of those who want a port on one local address, and what they need to know.
// Its fields but the first and the last are guarded by Ports.mu.
type line struct {
	local netip.Addr
	queue []chan struct{} // a channel is closed when its owner has become the first
	taken map[uint16]bool // the ports on which we listen
	freed chan struct{}   // tells the first that a port of ours may be free
}

// A bound is a socket that listens on a port of ours.
type bound struct {
	net.Listener
	line  *line
	port  uint16
	close func() error
}

// Close may be called more than once, and at the same time: each call returns when the socket is closed.
// A second Close of a net.Listener returns while the first may be at work yet, and the port still busy.
func (b *bound) Close() error { return b.close() }

// enter takes the last place in the line of local. The turn it returns is closed when the place is the first.
func (p *Ports) enter(local netip.Addr) (l *line, turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l = p.lines[local]
	if l == nil {
		l = &line{local: local, taken: make(map[uint16]bool), freed: make(chan struct{}, 1)}
		if p.lines == nil {
			p.lines = make(map[netip.Addr]*line)
		}
		p.lines[local] = l
	}
	turn = make(chan struct{})
	l.queue = append(l.queue, turn)
	if len(l.queue) == 1 {
		close(turn)
	}
	return l, turn
}

// leave gives up a place, wherever it is. When it was the first, the next one's turn begins.
func (p *Ports) leave(l *line, turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	place := slices.Index(l.queue, turn)
	l.queue = slices.Delete(l.queue, place, place+1)
	if place == 0 && len(l.queue) > 0 {
		close(l.queue[0])
	}
	p.forget(l)
}

// taken reports whether we listen on the port; to try it would be a waste.
func (p *Ports) taken(l *line, port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.taken[port]
}

// take notes that a port is ours. Only the first of the line may call it.
func (p *Ports) take(l *line, socket net.Listener) *bound {
	b := &bound{socket, l, addrPort(socket.Addr()).Port(), sync.OnceValue(socket.Close)}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.taken[b.port] = true
	return b
}

// free closes the socket and tells the first of the line that its port can be had.
func (p *Ports) free(b *bound) {
	b.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(b.line.taken, b.port)
	select {
	case b.line.freed <- struct{}{}:
	default: // it has been told already and has not looked since
	}
	p.forget(b.line)
}

// forget drops a line that serves nobody, for a host may be reached at more addresses than memory could hold.
func (p *Ports) forget(l *line) {
	if len(l.queue) == 0 && len(l.taken) == 0 {
		delete(p.lines, l.local)
	}
}
