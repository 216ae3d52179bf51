package sftp

import (
	"io"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// maxPending limits the bytes of replies that wait for the client. Who answers then waits, too.
const maxPending = 256 << 10

// replies sends replies to a channel. Those that come while the client takes no more are sent together. Methods may be called from
// many goroutines at once.
type replies struct {
	w   io.Writer
	run func(func())  // runs a function in a goroutine
	out chan struct{} // holds a value while w is written to: a lock that tests in a bubble of synctest can wait for

	mu      sync.Mutex
	room    *sync.Cond // pending was taken
	pending []byte
	spare   []byte // reused for pending
	sending bool   // a goroutine sends what is pending
	err     error  // of w; nothing is sent after it
}

// newReplies returns replies for w that are sent by goroutines of run, which exist while there is something to send.
func newReplies(w io.Writer, run func(func())) *replies {
	r := &replies{w: w, run: run, out: make(chan struct{}, 1)}
	r.room = sync.NewCond(&r.mu)
	return r
}

// A reply appends the reply to the request with this ID.
type reply func(b []byte, id uint32) []byte

// send sends a reply, soon.
func (r *replies) send(id uint32, answer reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.pending) > maxPending && r.err == nil {
		r.room.Wait()
	}
	r.pending = answer(r.pending, id)
	if !r.sending {
		r.sending = true
		r.run(r.sendPending)
	}
}

// sendPending sends what is pending until there is nothing more.
func (r *replies) sendPending() {
	for r.hasPending() {
		r.flush(nil, nil)
	}
}

func (r *replies) hasPending() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sending = len(r.pending) > 0
	return r.sending
}

// sendData sends the reply to a READ: the bytes of b from room on. Room is 0, or packet.DataHeaderSize for the header, which saves a
// packet. It returns when the channel has taken the reply.
func (r *replies) sendData(id uint32, b []byte, room int) {
	n := len(b) - room
	if room > 0 {
		packet.AppendDataHeader(b[:0], id, n)
		r.flush(nil, b)
		return
	}
	r.flush(func(b []byte) []byte { return packet.AppendDataHeader(b, id, n) }, b)
}

// flush sends the pending replies, what last appends to them, and data.
func (r *replies) flush(last func([]byte) []byte, data []byte) {
	r.out <- struct{}{}
	defer func() { <-r.out }()
	r.mu.Lock()
	taken, err := r.pending, r.err
	r.pending, r.spare = r.spare[:0], nil
	r.mu.Unlock()
	if last != nil {
		taken = last(taken)
	}
	for _, b := range [][]byte{taken, data} {
		if err == nil && len(b) > 0 {
			_, err = r.w.Write(b)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	if cap(taken) <= maxPending {
		r.spare = taken
	}
	r.room.Broadcast()
}
