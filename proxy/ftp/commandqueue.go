package ftp

import "sync/atomic"

// Limits of the command lines that the server reads ahead. They bound the memory of a session before it has shown a
// password: 2.5 KiB, and 264 KiB after the login, when a client may pipeline. During a command as many lines more may wait.
const (
	maxLine   = 4 << 10 // bytes of a command line, without the LF; a longer one is read to its end and refused
	maxQueued = 64      // command lines read ahead; then the client must wait

	maxLineBeforeLogin   = 512
	maxQueuedBeforeLogin = 4
)

// A commandQueue holds the command lines that were read and not yet obeyed. The session's reading goroutine puts lines,
// the session takes them from lines.
type commandQueue struct {
	lines    chan *line
	room     chan struct{} // tells the reading goroutine to look at the limit again
	loggedIn atomic.Bool
	blocked  atomic.Bool // the reading goroutine waits for room, and cannot see the end of the connection
}

func newCommandQueue() *commandQueue {
	return &commandQueue{lines: make(chan *line, maxQueued), room: make(chan struct{}, 1)}
}

// maxLine returns how long a command line may be now.
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

// put queues l when there is room, and reports false when done was closed before.
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
	q.lines <- l // there is room, as nothing else puts
	return true
}

// taken notes that the session has taken a line.
func (q *commandQueue) lineTaken() {
	select {
	case q.room <- struct{}{}:
	default:
	}
}

// setLoggedIn sets the limits for a session that is logged in, or is not any more.
func (q *commandQueue) setLoggedIn(in bool) {
	q.loggedIn.Store(in)
	q.lineTaken()
}
