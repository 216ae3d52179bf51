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

// Silence shows neither a refusal nor a missing feature of the service. A request that S3 does not answer is tried
// once more, with half the timeout; further attempts make sense only if S3 answers other requests meanwhile. So the
// caller has its error in time.

// ErrSilent is why a slow request is given up early.
var ErrSilent = errors.New("S3 is silent, to other requests too")

// A SilentError is a request that S3 did not answer in time. It implements net.Error.
type SilentError struct {
	Err  error // of the connection, or ErrSilent
	Last bool  // another attempt makes no sense: S3 answered nothing else meanwhile, and was tried often enough
}

// Error implements error.
func (e *SilentError) Error() string { return "S3 did not answer in time: " + e.Err.Error() }

// Unwrap returns Err.
func (e *SilentError) Unwrap() error { return e.Err }

// Timeout implements net.Error.
func (e *SilentError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *SilentError) Temporary() bool { return true }

// attempts is what the attempts of one operation learn of S3. They come one after the other.
type attempts struct {
	begun       bool
	knownSilent bool // S3 was known to be silent when the first attempt began
	unanswered  int  // attempts during which S3 answered nothing at all
	noContinue  bool // S3 did not answer Expect: 100-continue, but answered probes
}

type (
	attemptsKey struct{}
	briefKey    struct{}
)

// WithAttempts begins an operation: the requests with this context are attempts of it, one after the other. A request
// without it is an operation by itself.
func WithAttempts(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptsKey{}, new(attempts))
}

// WithBrief marks an operation that follows one without an answer, and for which a client still waits. It has half the
// timeout if S3 is known to be silent.
func WithBrief(ctx context.Context) context.Context { return context.WithValue(ctx, briefKey{}, true) }

// attemptsOf returns what is known from earlier attempts of the operation.
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

// limit returns how long the next attempt may make no progress.
func (c *Client) limit(ctx context.Context, a *attempts) time.Duration {
	if a.unanswered > 0 || a.knownSilent && ctx.Value(briefKey{}) != nil {
		return c.config.Timeout / 2
	}
	return c.config.Timeout
}

// A lastAnswer notes when S3 has answered last, and whether it is known to be silent since.
type lastAnswer struct {
	at     atomic.Int64 // Unix nanoseconds
	silent atomic.Bool
	log    *slog.Logger
}

// received notes an answer.
func (l *lastAnswer) received() {
	l.at.Store(time.Now().UnixNano())
	if l.silent.CompareAndSwap(true, false) {
		l.log.Info("S3 answers again")
	}
}

func (l *lastAnswer) time() time.Time { return time.Unix(0, l.at.Load()) }

// after reports whether S3 has answered any request after t.
func (l *lastAnswer) after(t time.Time) bool { return l.at.Load() > t.UnixNano() }

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
		l.log.Error("S3 is silent; transfers fail until it answers", "endpoint", r.URL.Scheme+"://"+r.URL.Host,
			"seconds", time.Since(began).Seconds(), "advice", "check whether the service is up, and the network between", "err", err)
	}
	return &SilentError{Err: err, Last: a.unanswered > 1 || a.knownSilent}
}
