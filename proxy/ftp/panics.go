package ftp

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// recoverPanic must be deferred in each goroutine of a session. A panic then ends this session only.
func (s *session) recoverPanic(where string) {
	if v := recover(); v != nil {
		s.reportPanic(where, v)
		defer func() { recover() }() // in case Close panics
		s.raw.Close()
	}
}

// panicError returns an error with the panic's value and stack.
func panicError(v any) error { return fmt.Errorf("panic: %v\n%s", v, debug.Stack()) }

// reportPanic counts and reports a panic.
func (s *session) reportPanic(where string, v any) error {
	s.srv.panics.Add(1)
	err := panicError(v)
	ctx := s.ctx
	if s.entry != nil { // nil before the session is registered
		ctx = s.context(ctx)
	}
	s.observe(ctx, event.Panic{Where: where, Err: err})
	return err
}

// A lingering runs goroutines that close a session's data connections in the background.
type lingering struct {
	session *session // nil in tests
	running sync.WaitGroup
}

// Go runs f. A panic in it ends the session.
func (t *lingering) Go(f func()) {
	t.running.Go(func() {
		if t.session != nil {
			defer t.session.recoverPanic("data connection")
		}
		f()
	})
}

func (t *lingering) Wait() { t.running.Wait() }
