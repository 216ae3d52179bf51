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

// exhaustionErrors occur when the host is out of file descriptors or socket memory. They are temporary.
var exhaustionErrors = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// connectionErrors are errors of accept(2) that concern one connection: the client has reset it, or the network or a
// packet filter has failed it. The listener stays usable.
var connectionErrors = []syscall.Errno{
	syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EAGAIN, syscall.EPROTO, syscall.EPERM,
	syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT,
}

// isExhausted reports whether err means that the host is out of file descriptors or socket memory.
func isExhausted(err error) bool { return isOneOf(err, exhaustionErrors) }

// A temporary error classifies itself, as the errors of package net do; that covers Windows too.
type temporary interface{ Temporary() bool }

// isTemporary reports whether the listener stays usable after this error of Accept.
func isTemporary(err error) bool {
	var t temporary
	return isExhausted(err) || isOneOf(err, connectionErrors) || errors.As(err, &t) && t.Temporary()
}

func isOneOf(err error, list []syscall.Errno) bool {
	return slices.ContainsFunc(list, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

const (
	minBackoff   = 5 * time.Millisecond
	maxBackoff   = time.Second
	warnInterval = time.Minute // at least, between two warnings of a listener
)

// A backoff is the pause before the next retry. It doubles each time.
type backoff time.Duration

// wait waits for the next pause. It reports false if ctx ends first.
func (b *backoff) wait(ctx context.Context) bool {
	*b = min(max(2**b, backoff(minBackoff)), backoff(maxBackoff))
	timer := time.NewTimer(time.Duration(*b))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Accept returns the next connection of l. It retries temporary errors, such as EMFILE, with a backoff from 5 ms to 1 s,
// and passes them to warn at most once a minute. It returns an error if l fails for good, or the cause of ctx if that ends
// during a backoff.
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

// logRetries returns a warn function for Accept that writes to log.
func logRetries(log *slog.Logger, l net.Listener) (warn func(error)) {
	return func(err error) {
		log.Warn("cannot accept a connection, retrying", "address", l.Addr().String(), "err", err)
	}
}

// A RetryListener retries temporary errors as the function Accept does, for servers that do so for fewer of them.
type RetryListener struct {
	net.Listener
	Context context.Context // ends a backoff
	Log     *slog.Logger
}

// Accept implements net.Listener.
func (r RetryListener) Accept() (net.Conn, error) {
	return Accept(r.Context, r.Listener, logRetries(r.Log, r.Listener))
}
