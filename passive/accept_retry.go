package passive

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"syscall"
	"time"
)

// exhaustion are the errors of a host that is out of descriptors or memory for another socket. They pass.
var exhaustion = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// interruptions are errors that accept(2) returns for one connection: the client has reset it, the network or a packet
// filter has failed it. The listener is as good as before.
var interruptions = []syscall.Errno{
	syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EAGAIN, syscall.EPROTO, syscall.EPERM,
	syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT,
}

// isExhausted reports whether a socket could not be made because the host is out of descriptors or memory.
func isExhausted(err error) bool { return isOneOf(err, exhaustion) }

// A temporary error knows whether it is one: net's own judgement, which knows Windows too.
type temporary interface{ Temporary() bool }

// isTemporary reports whether an error of Accept leaves the listener usable.
func isTemporary(err error) bool {
	var t temporary
	return isExhausted(err) || isOneOf(err, interruptions) || errors.As(err, &t) && t.Temporary()
}

func isOneOf(err error, list []syscall.Errno) bool {
	return slices.ContainsFunc(list, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

const (
	leastBackoff = 5 * time.Millisecond
	mostBackoff  = time.Second
	warnInterval = time.Minute // between two warnings of one listener
)

// A backoff is a wait before a retry, which doubles each time.
type backoff time.Duration

// wait waits for the next pause, and reports false when ctx has ended before.
func (b *backoff) wait(ctx context.Context) bool {
	*b = min(max(2**b, backoff(leastBackoff)), backoff(mostBackoff))
	timer := time.NewTimer(time.Duration(*b))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Accept returns the next connection of l. It retries temporary errors, such as a lack of descriptors, with a backoff of
// 5 ms to 1 s, and calls warn with them at most once a minute. The error is one that ends l, or, when ctx ends during a
// backoff, the cause of that.
func Accept(ctx context.Context, l net.Listener, warn func(error)) (net.Conn, error) {
	var pause backoff
	var warned time.Time
	for {
		conn, err := l.Accept()
		if err == nil || !isTemporary(err) {
			return conn, err
		}
		if time.Since(warned) >= warnInterval {
			warned = time.Now()
			warn(err)
		}
		if !pause.wait(ctx) {
			return nil, context.Cause(ctx)
		}
	}
}

// logRetries returns what logs the warnings of Accept.
func logRetries(log *slog.Logger, l net.Listener) (warn func(error)) {
	return func(err error) {
		log.Warn("cannot accept a connection, retrying", "address", l.Addr().String(), "err", err)
	}
}

// A Retrying is a listener whose Accept is the function Accept, for servers that know fewer temporary errors.
type Retrying struct {
	net.Listener
	Context context.Context // ends a backoff
	Log     *slog.Logger
}

// Accept implements net.Listener.
func (r Retrying) Accept() (net.Conn, error) {
	return Accept(r.Context, r.Listener, logRetries(r.Log, r.Listener))
}
