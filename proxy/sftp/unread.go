package sftp

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

const (
	windowSize   = 2 << 20   // bytes that package ssh buffers for a channel that is not read
	freeUnread   = 34 << 10  // bytes that need no memory of the budget: a packet, which may be incomplete
	maxWhenStuck = 256 << 10 // bytes that are read while the client does not take what is written
)

// budgetPoll is the time between attempts to get memory for a channel that is not read.
const budgetPoll = 100 * time.Millisecond

// An unread limits the bytes of a connection that were received and that no channel has read.
//
// Package ssh reads from the connection without a pause, and buffers up to windowSize bytes for each channel. Before each read,
// socket calls await: all but freeUnread of the unread bytes must be reserved in the budget, and where the budget has none, await
// waits for the channels to be read. So a client gets the back-pressure of TCP.
//
// The bytes of the packets that are no data count as unread too, until nothing is unread.
type unread struct {
	budget *budget.Budget
	change chan struct{} // holds a value after a change that await may wait for

	mu       sync.Mutex
	channels map[*channel]bool
	base     int64 // socket.received when nothing was unread
	read     int64 // bytes read since, from all channels
	reserved int64 // bytes of the budget, a multiple of windowSize
}

func newUnread(b *budget.Budget) *unread {
	return &unread{budget: b, change: make(chan struct{}, 1), channels: make(map[*channel]bool)}
}

// changed wakes await.
func (u *unread) changed() {
	select {
	case u.change <- struct{}{}:
	default:
	}
}

// await waits until the socket may be read. It returns false when the connection has ended.
func (u *unread) await(s *socket) bool {
	defer s.paused.Store(false)
	for !u.mayRead(s) {
		s.paused.Store(true)
		select {
		case <-u.change:
		case <-time.After(budgetPoll):
			u.mu.Lock()
			u.resetIfRead(s, nil)
			u.mu.Unlock()
		case <-s.ended:
			return false
		}
	}
	return true
}

// mayRead reports whether more bytes may be received. It reserves memory for those that are unread.
func (u *unread) mayRead(s *socket) bool {
	received := s.received.Load()
	if s.writing.Load() && received-s.whenStuck.Load() > maxWhenStuck {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	backlog := received - u.base - u.read
	if len(u.channels) == 0 || backlog <= freeUnread {
		return true
	}
	need := (backlog + windowSize - 1) / windowSize * windowSize
	if need > u.reserved && u.budget.Reserve(need-u.reserved) {
		u.reserved = need
	}
	return need <= u.reserved
}

// resetIfRead forgets what was received if all of it was read: all channels but c, whose Read has found no more, wait in Read. One whose
// goroutine has not run yet since data came may be wrong about that, but not for long.
func (u *unread) resetIfRead(s *socket, c *channel) {
	for other := range u.channels {
		if other != c && !other.reading {
			return
		}
	}
	if s.queue.isEmpty() {
		u.base, u.read = s.received.Load(), 0
		u.giveBack()
	}
}

func (u *unread) giveBack() {
	if u.reserved > 0 {
		u.budget.Unreserve(u.reserved)
		u.reserved = 0
	}
}

// A channel is a channel of SSH, whose unread bytes are limited.
type channel struct {
	ssh.Channel
	socket  *socket
	reading bool // Read is running; guarded by socket.unread.mu

	inWrite atomic.Bool
	stuck   *time.Timer // ends the connection if it expires during a Write

	telling sync.Mutex // held by tell
	closing bool       // tell writes no more
}

// newChannel returns a channel whose bytes are limited until it is removed.
func (u *unread) newChannel(c ssh.Channel, s *socket) *channel {
	u.mu.Lock()
	defer u.mu.Unlock()
	added := &channel{Channel: c, socket: s}
	added.stuck = time.AfterFunc(replyTimeout, added.endStuck)
	if len(u.channels) == 0 {
		u.base, u.read = s.received.Load(), 0
	}
	u.channels[added] = true
	return added
}

// remove forgets a channel that receives nothing any more.
func (u *unread) remove(c *channel) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.channels, c)
	u.resetIfRead(c.socket, nil)
	u.changed()
}

// Read implements io.Reader. A channel that is not read, while the client sends, takes memory from the budget or pauses its connection.
func (c *channel) Read(p []byte) (n int, err error) {
	u := c.socket.unread
	u.mu.Lock()
	c.reading = true
	u.mu.Unlock()
	n, err = c.Channel.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	c.reading = false
	u.read += int64(n)
	if n < len(p) {
		u.resetIfRead(c.socket, c)
	}
	if c.socket.received.Load()-u.base-u.read <= freeUnread {
		u.giveBack()
		u.changed()
	}
	return n, err
}

// maxData is the most bytes of a packet of a channel.
const maxData = 32 << 10

// Write implements io.Writer. It ends the connection if the client's window stays closed for replyTimeout. One goroutine at a time may
// call it.
func (c *channel) Write(p []byte) (n int, err error) {
	c.inWrite.Store(true)
	defer c.inWrite.Store(false)
	defer c.stuck.Stop()
	for n < len(p) && err == nil {
		c.stuck.Reset(replyTimeout)
		var m int
		m, err = c.Channel.Write(p[n:min(len(p), n+maxData)])
		n += m
	}
	return n, err
}

// endStuck ends the connection during a Write, when stuck has expired. While a write to the socket waits, the deadline of that applies
// instead. While the server does not read the socket, it cannot learn that the window is open.
func (c *channel) endStuck() {
	switch {
	case !c.inWrite.Load():
	case c.socket.writing.Load() || c.socket.paused.Load():
		c.stuck.Reset(replyTimeout)
	default:
		c.socket.end(errClientStalled)
	}
}

// tell writes text to the standard error of the channel, unless stopTelling was called.
func (c *channel) tell(text string) {
	c.telling.Lock()
	defer c.telling.Unlock()
	if !c.closing {
		io.WriteString(c.Stderr(), text)
	}
}

// stopTelling waits for a tell that runs.
func (c *channel) stopTelling() {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.closing = true
}
