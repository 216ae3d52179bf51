package ftp

import (
	"context"
	"errors"
)

// attended runs work, which may take long and moves no data, and listens to the client meanwhile. ABOR ends its context,
// and so does the loss of the client, unless it has sent more commands: a client that pipelines may end its side of the
// connection behind them. A store completes a change that it has begun, and then its result is the reply all the same.
// Other commands wait, because the next reply must be that to this one.
//
// Work runs in a goroutine of its own. Until it ends, it alone uses what commands change in the session.
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

// panicked is a panic of a goroutine on its way to its session.
type workPanic string

func (p workPanic) Error() string { return string(p) }

// during runs work in a goroutine of its own, and attends to the client until it is over. A panic of work is one of the session.
func (m *clientMonitor) run(marks <-chan reply, work func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- workPanic(panicError(v).Error())
			}
		}()
		done <- work()
	}()
	err := m.watch(marks, done)
	if p, ok := err.(workPanic); ok {
		panic(p) // where the session's end is
	}
	return err
}
