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
	begun   atomic.Int64 // time since start when Read began to wait; 0 = it does not
	waited  atomic.Int64 // time for which earlier calls of Read have waited
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
	begun := int64(max(time.Since(p.start), 1))
	if p.within() {
		p.since.Store(begun)
	}
	p.begun.Store(begun)
	n, err := p.channel.Read(b)
	p.begun.Store(0)
	p.waited.Add(int64(time.Since(p.start)) - begun)
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
func (p *packetSource) awaitsClient() bool { return p.begun.Load() != 0 && !p.s.socket.paused.Load() }

// awaited returns for how long the server has waited for the client, all in all.
func (p *packetSource) awaited() time.Duration {
	all := p.waited.Load() // first: a Read that ends now is counted once, or not at all
	if begun := p.begun.Load(); begun != 0 {
		all += int64(time.Since(p.start)) - begun
	}
	return time.Duration(all)
}

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
