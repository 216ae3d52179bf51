package passive

import (
	"context"
	"net"
	"sync"
	"time"
)

// A Drain says how the sessions of a listener end.
type Drain struct {
	Timeout time.Duration // for what is running
	Cause   error         // of the end of what is not complete then
	End     func()        // called after Timeout; may be nil
}

// A Session serves a connection in a goroutine of its own, and calls ended at its end. When drain is done the session ends if it is
// idle; when hard is done it ends at once.
type Session func(drain, hard context.Context, conn net.Conn, ended func())

// Serve accepts connections from l as [Accept] does until ctx is cancelled or l fails for good, and starts a session for each. It
// closes l, and returns after the last session, with the error of l. Sessions that are not idle get the time of d.
func Serve(ctx context.Context, l net.Listener, d Drain, warn func(error), start Session) error {
	drain, stopAccepting := context.WithCancel(ctx)
	defer stopAccepting()
	context.AfterFunc(drain, func() { l.Close() })

	hard, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	var sessions sync.WaitGroup
	err := acceptAll(drain, l, warn, func(conn net.Conn) {
		sessions.Add(1)
		start(drain, hard, conn, sessions.Done)
	})
	stopAccepting()
	timer := time.AfterFunc(d.Timeout, func() {
		cut(d.Cause)
		if d.End != nil {
			d.End()
		}
	})
	defer timer.Stop()
	sessions.Wait()
	return err
}

// acceptAll calls serve with each connection until ctx is done, which is no error, or l fails for good.
func acceptAll(ctx context.Context, l net.Listener, warn func(error), serve func(net.Conn)) error {
	for {
		conn, err := Accept(ctx, l, warn)
		switch {
		case err == nil:
			serve(conn)
		case ctx.Err() != nil:
			return nil
		default:
			return err
		}
	}
}
