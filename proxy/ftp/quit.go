package ftp

import (
	"sync"
	"time"
)

// A quitNotice tells of the QUIT that follows the command of an upload. The client sends it when it has sent the data, and does
// not wait for the reply; some devices close both connections at once. Sent before the client can know of the 150, it says
// nothing about the data, so only a QUIT that is read after the 150 was sent counts.
type quitNotice struct {
	read chan struct{} // closed when at is known

	mu     sync.Mutex
	marked time.Time // when the 150 was sent; zero = not yet, or the client sends commands ahead
	at     time.Time // when the QUIT was read
}

func newQuitNotice() *quitNotice { return &quitNotice{read: make(chan struct{})} }

// mark notes that the 150 is sent now.
func (q *quitNotice) mark() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.marked = time.Now()
}

// quit notes a QUIT that was read at that time.
func (q *quitNotice) quit(at time.Time) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.marked.IsZero() && !at.Before(q.marked) {
		q.at = at
		close(q.read)
	}
}

// behind returns a channel that is closed when the client has sent its QUIT behind the data of conn, which has ended; nil if it
// has sent it before: longer than the tolerance before the last byte.
func (q *quitNotice) behind(conn *dataConn, tolerance time.Duration) <-chan struct{} {
	if q == nil || closed(q.read) && conn.lastByte().After(q.at.Add(tolerance)) {
		return nil
	}
	return q.read
}

// A quitWatch looks for a QUIT behind the command of an upload, among the lines that are read.
type quitWatch struct{ notice *quitNotice }

// see looks at the next line, which was read at that time. NOOP and STAT are answered during a transfer, and may come between,
// and so may empty lines; after any other command a QUIT is about that.
func (w *quitWatch) see(l *line, verb string, at time.Time) {
	switch {
	case !l.tooLong && (verb == "NOOP" || verb == "STAT" || verb == ""):
	case !l.tooLong && verb == "QUIT":
		take(&w.notice).quit(at)
	case !l.tooLong && isUpload(verb):
		w.notice = newQuitNotice()
		l.quit = w.notice
	default:
		w.notice = nil
	}
}
