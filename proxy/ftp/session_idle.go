package ftp

import (
	"context"
	"errors"
	"time"
)

// idleAfter is the time without a command after which a session becomes idle. It is longer than most clients need between two
// commands, because the stack of a new goroutine must grow again.
const idleAfter = 10 * time.Millisecond

// errNoCommand means that no command has come for idleAfter.
var errNoCommand = errors.New("no command")

// An idleTimer resumes an idle session without a command.
type idleTimer struct {
	timeout   *time.Timer
	stopDrain func() bool
}

// becomeIdle prepares the session for the end of its goroutine: the stack, which commands have grown, is most of the memory that an
// idle session would need. The next command line, the end of the control connection, the idle timeout or a drain resumes the session
// in a new goroutine.
//
// It returns false if one of them has come already. After true another goroutine may use the session.
func (s *session) becomeIdle() bool {
	queue, gone, drain, timesOut := s.queue, s.gone, s.drain, s.timesOut
	timer := idleTimer{time.AfterFunc(time.Until(timesOut), queue.wake), context.AfterFunc(drain, queue.wake)}
	s.idle = timer
	queue.idle.Store(true)
	if len(queue.lines) == 0 && !closed(gone) && drain.Err() == nil && time.Now().Before(timesOut) {
		return true // what comes from now on sees that the session is idle
	}
	if !queue.idle.CompareAndSwap(true, false) {
		return true // resumed meanwhile
	}
	timer.stop()
	return false
}

// resume continues an idle session. Only the caller that has ended its idleness may call it.
func (s *session) resume() {
	s.runPart(func() (idle bool) {
		s.idle.stop()
		return s.serve()
	})
}

func (t idleTimer) stop() {
	t.timeout.Stop()
	t.stopDrain()
}
