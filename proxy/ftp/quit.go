package ftp

import (
	"sync"
	"time"
)

// A quitNotice reports a QUIT after the command of an upload. The client sends it after the data, without waiting for the reply; some
// devices then close both connections. A QUIT that was sent before the 150 says nothing about the data, and does not count.
type quitNotice struct {
	read chan struct{} // closed after at is set

	mu     sync.Mutex
	marked time.Time // when the 150 was sent; zero = not yet, or the client sends commands ahead
	at     time.Time // when the QUIT was read
}

func newQuitNotice() *quitNotice { return &quitNotice{read: make(chan struct{})} }

// mark records that the 150 is sent now.
func (q *quitNotice) mark() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.marked = time.Now()
}

// quit records a QUIT that was read at that time.
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

// behind returns a channel that is closed when QUIT arrives after the data of conn, which has ended. It returns nil if QUIT arrived
// before the last byte by more than tolerance.
func (q *quitNotice) behind(conn *dataConn, tolerance time.Duration) <-chan struct{} {
	if q == nil || closed(q.read) && conn.lastByte().After(q.at.Add(tolerance)) {
		return nil
	}
	return q.read
}

// A quitWatch looks for QUIT after the command of an upload.
type quitWatch struct{ notice *quitNotice }

// see looks at a line that was read at that time. NOOP, STAT and empty lines may come between the upload's command and QUIT.
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
