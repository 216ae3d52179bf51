package main

import (
	"context"
	"fmt"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// maxTurns is the number of logins that ask the hook or S3 at a time, and of those that wait for it.
const maxTurns = 64

// turns limit how many logins ask the hook or S3 at a time.
type turns struct {
	running, waiting chan struct{} // an element for each login
}

func newTurns() *turns { return &turns{make(chan struct{}, maxTurns), make(chan struct{}, maxTurns)} }

// take waits until another login may ask, and until release is called for this one. The error is proxy.ErrTooManyLogins if too many
// logins wait already.
func (t *turns) take(ctx context.Context) (release func(), err error) {
	release = func() { <-t.running }
	select {
	case t.running <- struct{}{}:
		return release, nil
	default:
	}
	select {
	case t.waiting <- struct{}{}:
		defer func() { <-t.waiting }()
	default:
		return nil, proxy.ErrTooManyLogins
	}
	select {
	case t.running <- struct{}{}:
		return release, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for other logins: %w", ctx.Err())
	}
}

// limit returns a login that takes a turn.
func (t *turns) limit(ask login) login {
	return func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
		release, err := t.take(ctx)
		if err != nil {
			return proxy.Account{}, err
		}
		defer release()
		return ask(ctx, a)
	}
}
