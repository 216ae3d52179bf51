package s3http

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// maxContinueWait is how long a service that answers probes may take to send 100 Continue. It is exceeded only after two
// such waits with an answered probe after each: a service that has just been resumed may answer a probe first.
const maxContinueWait = 3 * time.Second

// ErrNoContinue means that the request was canceled because the service does not send 100 Continue. The next attempt
// sends the body at once.
var ErrNoContinue = errors.New("the service answers other requests, but not Expect: 100-continue")

// runningTime is how long after a response a service counts as running.
const runningTime = time.Second

type (
	expectKey  struct{}
	runningKey struct{}
)

// WithExpect returns a context with which a request sends its body only after S3 has answered 100 Continue (RFC 9110,
// section 10.1.1).
func WithExpect(ctx context.Context) context.Context {
	return context.WithValue(ctx, expectKey{}, true)
}

// WithRunning returns a context with which a request sends its body only to a service that is known to run: S3 has
// answered some request within the last second, or it answers this one with 100 Continue, which costs a round trip.
// Otherwise a stopped server could keep the request in memory and execute it when it runs again, long after the client has
// given up.
func WithRunning(ctx context.Context) context.Context {
	return context.WithValue(ctx, runningKey{}, true)
}

// expects reports whether a request must wait for 100 Continue.
func (c *Client) expects(r *http.Request) bool {
	ctx := r.Context()
	if r.ContentLength <= 0 || !c.config.Expects() {
		return false
	}
	return ctx.Value(expectKey{}) != nil || ctx.Value(runningKey{}) != nil && !c.answers.after(time.Now().Add(-runningTime))
}

// sendExpecting sends a request with Expect. If the service answers probes but does not send 100 Continue, it returns
// ErrNoContinue, and the next attempt sends the body at once. Only a response to that attempt proves that the service does
// not support Expect.
func (c *Client) sendExpecting(r *http.Request, a *attempts, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if a.noContinue {
		resp, err := send(r)
		if err == nil {
			c.config.ExpectRefused(ErrNoContinue)
		}
		return resp, err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	var decided atomic.Bool // S3 has sent 100 Continue or a response
	timer := c.cancelWithoutContinue(ctx, r, &decided, cancel)
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { decided.Store(true) }})
	expecting := r.Clone(traced)
	expecting.Header.Set("Expect", "100-continue")
	// The SDK sets no version, and without one net/http does not wait for 100 Continue.
	expecting.Proto, expecting.ProtoMajor, expecting.ProtoMinor = "HTTP/1.1", 1, 1
	resp, err := send(expecting)
	decided.Store(true) // the timer's function may be running
	timer.Stop()
	switch {
	case err != nil:
		if context.Cause(ctx) == ErrNoContinue {
			a.noContinue, err = true, ErrNoContinue
		}
		cancel(nil)
		return nil, err
	case resp.StatusCode == http.StatusExpectationFailed:
		resp.Body.Close()
		c.config.ExpectRefused(ErrNoContinue)
		cancel(nil)
		return nil, ErrNoContinue
	}
	resp.Body = cancelingBody{resp.Body, cancel}
	return resp, nil
}

// cancelWithoutContinue starts a timer that cancels r with ErrNoContinue if the service answers two probes while decided
// is false.
func (c *Client) cancelWithoutContinue(ctx context.Context, r *http.Request, decided *atomic.Bool, cancel context.CancelCauseFunc) *time.Timer {
	wait := min(c.config.Timeout/4, maxContinueWait)
	ignored := func() bool {
		return !decided.Load() && c.probe(ctx, r, c.config.Timeout) == nil && !decided.Load()
	}
	return time.AfterFunc(wait, func() {
		if !ignored() {
			return
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		if ignored() {
			cancel(ErrNoContinue)
		}
	})
}
