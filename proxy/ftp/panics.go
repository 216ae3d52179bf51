package ftp

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// recovered keeps a panic in a goroutine of the session from ending the process: it ends the session, and no other.
// It must be deferred itself.
func (s *session) recoverPanic(where string) {
	if v := recover(); v != nil {
		s.reportPanic(where, v)
		defer func() { recover() }() // should it come from here
		s.raw.Close()
	}
}

// panicError returns a recovered panic as an error, with the stack of the goroutine.
func panicError(v any) error { return fmt.Errorf("panic: %v\n%s", v, debug.Stack()) }

// reportPanic counts and tells of a panic.
func (s *session) reportPanic(where string, v any) error {
	s.srv.panics.Add(1)
	err := panicError(v)
	ctx := s.ctx
	if s.entry != nil { // else it has not even begun
		ctx = s.context(ctx)
	}
	s.observe(ctx, event.Panic{Where: where, Err: err})
	return err
}

// tails are the goroutines of a session that finish its data connections in the background.
type lingering struct {
	session *session // nil in tests of a data connection alone
	running sync.WaitGroup
}

// Go runs f, whose panic ends the session.
func (t *lingering) Go(f func()) {
	t.running.Go(func() {
		if t.session != nil {
			defer t.session.recoverPanic("data connection")
		}
		f()
	})
}

func (t *lingering) Wait() { t.running.Wait() }
