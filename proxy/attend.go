package proxy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// attended runs work, which takes long and moves no data, and listens to the client meanwhile: an ABOR and the end of
// the control connection end it. Other commands wait, because the reply that comes next has to be that to this one.
func (s *session) attended(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done, gone := make(chan error, 1), s.gone
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- panicked(fmt.Sprintf("panic: %v\n%s", v, debug.Stack()))
			}
		}()
		done <- work(ctx)
	}()
	go func() {
		select {
		case <-gone:
			cancel(errControlLost)
		case <-ctx.Done():
		}
	}()
	err := s.attend(cancel, nil, done)
	if p, ok := err.(panicked); ok {
		panic(p) // where the session's end is
	}
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}
