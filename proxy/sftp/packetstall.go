package sftp

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// errPacketStalled ends a channel whose client does not complete a packet.
var errPacketStalled = fmt.Errorf("a packet was not completed: %w", errStalled)

// A packetSource is what a client sends on a channel. If a packet has begun and the client sends nothing of the rest for the stall
// timeout, the channel ends: the server holds memory meanwhile, and keep-alives of the connection say nothing about the channel.
type packetSource struct {
	s       *subsystem
	channel io.ReadCloser
	within  func() bool // reports whether a packet has begun
	timeout time.Duration
	start   time.Time
	timer   *time.Timer  // calls check
	since   atomic.Int64 // time since start when Read began to wait in the middle of a packet; 0 = it does not
	waiting atomic.Bool  // Read waits
	stalled atomic.Bool
	unused  atomic.Bool // stop was called
}

// newPacketSource returns a source; within reports whether a packet has begun. The caller must call stop.
func newPacketSource(s *subsystem, channel io.ReadCloser, within func() bool) *packetSource {
	p := &packetSource{s: s, channel: channel, within: within, timeout: s.srv.stallTimeout(), start: time.Now()}
	ready := make(chan struct{})
	p.timer = time.AfterFunc(p.timeout, func() {
		defer s.recoverPanic("stalled packet")
		<-ready
		p.check()
	})
	close(ready)
	return p
}

// Read implements io.Reader.
func (p *packetSource) Read(b []byte) (int, error) {
	if p.within() {
		p.since.Store(int64(max(time.Since(p.start), 1)))
	}
	p.waiting.Store(true)
	n, err := p.channel.Read(b)
	p.waiting.Store(false)
	p.since.Store(0)
	if p.stalled.Load() {
		return 0, errPacketStalled
	}
	return n, err
}

// stop ends the checks.
func (p *packetSource) stop() {
	p.unused.Store(true)
	p.timer.Stop()
}

// awaitsClient reports whether the server waits for what the client sends on the channel. While it handles a request, or does not read
// the socket, the client is not to blame.
func (p *packetSource) awaitsClient() bool { return p.waiting.Load() && !p.s.socket.paused.Load() }

// check ends the channel if the client has stalled.
func (p *packetSource) check() {
	since := time.Duration(p.since.Load())
	waited := time.Since(p.start) - since
	switch {
	case p.unused.Load():
	case since == 0 || !p.awaitsClient():
		p.timer.Reset(p.timeout)
	case waited < p.timeout:
		p.timer.Reset(p.timeout - waited)
	default:
		p.end()
	}
}

// end closes the channel. A Read ends when the client closes the channel too; if it does not, the connection ends.
func (p *packetSource) end() {
	p.stalled.Store(true)
	time.AfterFunc(lingerTimeout, func() {
		defer p.s.recoverPanic("stalled packet")
		if p.since.Load() != 0 {
			p.s.socket.end(errPacketStalled)
		}
	})
	p.channel.Close()
}
