package ftp

import (
	"context"
	"errors"
)

// interruptible runs work, which moves no data and may take long. ABOR cancels its context, and so does the loss of the client,
// unless the client has sent more commands: it may have closed its side after pipelining. A store completes a change that it has
// begun; its result is the reply then. Other commands wait until work has returned.
//
// Work runs in a new goroutine. Until it returns, the session's goroutine does not use the state that commands change.
func (s *session) interruptible(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := clientMonitor{session: s, lines: s.lines, gone: s.gone, cancel: cancel}
	err := m.run(nil, func() error { return work(ctx) })
	if cause := context.Cause(ctx); err != nil && !isRefusal(err) && cause != nil && !errors.Is(cause, context.Canceled) {
		err = because(cause, err)
	}
	return err
}

// A workPanic passes a panic from the work goroutine to the session's.
type workPanic string

func (p workPanic) Error() string { return string(p) }

// run runs work in a new goroutine and monitors the client meanwhile. It panics if work does.
func (m *clientMonitor) run(preliminary <-chan reply, work func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- workPanic(panicError(v).Error())
			}
		}()
		done <- work()
	}()
	err := m.watch(preliminary, done)
	if p, ok := err.(workPanic); ok {
		panic(p) // recovered in serve
	}
	return err
}
