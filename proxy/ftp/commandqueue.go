package ftp

import "sync/atomic"

// Limits of the command lines that are read ahead. They limit the memory of a session to 2.5 KiB before login and 264 KiB after,
// and twice as many lines during a command.
const (
	maxLine   = 4 << 10 // bytes of a command line, without LF; the rest of a longer line is discarded
	maxQueued = 64      // command lines read ahead; then reading stops

	maxLineBeforeLogin   = 512
	maxQueuedBeforeLogin = 4
)

// A commandQueue holds command lines between the reading goroutine, which puts them, and the session, which receives from lines.
type commandQueue struct {
	lines    chan *line
	room     chan struct{} // wakes the reading goroutine to check the limit again
	loggedIn atomic.Bool
	blocked  atomic.Bool // the reading goroutine waits for room, and does not see the end of the connection
	idle     atomic.Bool // the session has no goroutine, see becomeIdle
	resume   func()      // continues an idle session
}

func newCommandQueue() *commandQueue {
	return &commandQueue{lines: make(chan *line, maxQueued), room: make(chan struct{}, 1)}
}

// maxLine returns the current limit of a command line in bytes.
func (q *commandQueue) maxLine() int {
	if q.loggedIn.Load() {
		return maxLine
	}
	return maxLineBeforeLogin
}

func (q *commandQueue) maxQueued() int {
	if q.loggedIn.Load() {
		return maxQueued
	}
	return maxQueuedBeforeLogin
}

// put queues l when there is room. It returns false if done is closed first.
func (q *commandQueue) put(l *line, done <-chan struct{}) bool {
	for len(q.lines) >= q.maxQueued() {
		q.blocked.Store(true)
		select {
		case <-q.room:
		case <-done:
			return false
		}
	}
	q.blocked.Store(false)
	q.lines <- l // does not block: only this goroutine puts
	q.wake()
	return true
}

// close tells the session that no more lines will come.
func (q *commandQueue) close() {
	close(q.lines)
	q.wake()
}

// wake resumes the session in a new goroutine if it is idle.
func (q *commandQueue) wake() {
	if q.idle.CompareAndSwap(true, false) {
		go q.resume()
	}
}

// lineTaken must be called after each receive from lines.
func (q *commandQueue) lineTaken() {
	select {
	case q.room <- struct{}{}:
	default:
	}
}

// setLoggedIn sets the limits for a session before or after login.
func (q *commandQueue) setLoggedIn(in bool) {
	q.loggedIn.Store(in)
	q.lineTaken()
}
