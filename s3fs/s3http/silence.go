package s3http

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// A request that S3 does not answer is retried once, with half the timeout. More retries make sense only if S3 answers other
// requests meanwhile. So the caller gets its error in time.

// ErrSilent means that a slow request was canceled because S3 answers no other requests either.
var ErrSilent = errors.New("S3 is silent, to other requests too")

// A SilentError means that S3 did not answer a request in time. It implements net.Error.
type SilentError struct {
	Err  error // of the connection, or ErrSilent
	Last bool  // a retry makes no sense: S3 answers no other requests either
}

// Error implements error.
func (e *SilentError) Error() string { return "S3 did not answer in time: " + e.Err.Error() }

// Unwrap returns Err.
func (e *SilentError) Unwrap() error { return e.Err }

// Timeout implements net.Error.
func (e *SilentError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *SilentError) Temporary() bool { return true }

// attempts is the state shared by the attempts of one operation, which are sequential.
type attempts struct {
	begun       bool
	knownSilent bool // S3 was known to be silent when the first attempt began
	unanswered  int  // attempts during which S3 answered no request at all
	noContinue  bool // S3 did not send 100 Continue, but answered probes
}

type (
	attemptsKey struct{}
	briefKey    struct{}
)

// WithAttempts returns the context of a new operation. All requests with this context are attempts of it, and must be
// sequential. A request without such a context is an operation by itself.
func WithAttempts(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptsKey{}, new(attempts))
}

// WithBrief returns a context for an operation that follows an unanswered one, while a client still waits. If S3 is known
// to be silent, the operation has half the timeout.
func WithBrief(ctx context.Context) context.Context { return context.WithValue(ctx, briefKey{}, true) }

// attemptsOf returns the state of the operation.
func (c *Client) attemptsOf(ctx context.Context) *attempts {
	a, ok := ctx.Value(attemptsKey{}).(*attempts)
	if !ok {
		a = new(attempts)
	}
	if !a.begun {
		a.begun, a.knownSilent = true, c.answers.silent.Load()
	}
	return a
}

// limit returns the timeout of the next attempt.
func (c *Client) limit(ctx context.Context, a *attempts) time.Duration {
	if a.unanswered > 0 || a.knownSilent && ctx.Value(briefKey{}) != nil {
		return c.config.Timeout / 2
	}
	return c.config.Timeout
}

// A lastAnswer is the time of the last response of S3, and whether S3 is known to be silent since.
type lastAnswer struct {
	at          atomic.Int64 // Unix nanoseconds
	silent      atomic.Bool
	unreachable atomic.Bool // no connection could be made
	log         *slog.Logger
}

// received records a response.
func (l *lastAnswer) received() {
	l.at.Store(time.Now().UnixNano())
	wasSilent := l.silent.Load() && l.silent.CompareAndSwap(true, false)
	wasUnreachable := l.unreachable.Load() && l.unreachable.CompareAndSwap(true, false)
	if wasSilent || wasUnreachable {
		l.log.Info("S3 answers again")
	}
}

func (l *lastAnswer) time() time.Time { return time.Unix(0, l.at.Load()) }

// after reports whether S3 has answered any request after t.
func (l *lastAnswer) after(t time.Time) bool { return l.at.Load() > t.UnixNano() }

// noteUnreachable notes that no connection could be made. The caller logs the error.
func (l *lastAnswer) noteUnreachable(r *http.Request, err error) {
	failed, ok := errors.AsType[*net.OpError](err)
	if ok && failed.Op == "dial" && r.Context().Err() == nil {
		l.unreachable.Store(true)
	}
}

// classify returns err as a SilentError if S3 was silent, and logs the first one.
func (l *lastAnswer) classify(r *http.Request, a *attempts, began time.Time, err error) error {
	timeout, ok := errors.AsType[net.Error](err)
	if r.Context().Err() != nil || !errors.Is(err, ErrSilent) && (!ok || !timeout.Timeout()) {
		return err
	}
	if l.after(began) {
		return &SilentError{Err: err}
	}
	a.unanswered++
	if l.silent.CompareAndSwap(false, true) {
		l.log.Error("S3 is silent, transfers fail until it answers", "endpoint", r.URL.Scheme+"://"+r.URL.Host,
			"seconds", time.Since(began).Seconds(), "advice", "check whether the service is up, and the network between", "err", err)
	}
	return &SilentError{Err: err, Last: a.unanswered > 1 || a.knownSilent}
}
