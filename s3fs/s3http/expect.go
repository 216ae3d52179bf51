package s3http

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// maxContinueWait is how long a service that answers probes may take for 100 Continue. It must miss it twice, each
// time from the answer to a probe on: a service that has just been resumed may answer a probe first.
const maxContinueWait = 3 * time.Second

// ErrNoContinue is why a request is broken off whose body the service does not ask for. The next attempt sends the
// body at once.
var ErrNoContinue = errors.New("the service answers other requests, but not Expect: 100-continue")

type expectKey struct{}

// WithExpect marks a request whose body is sent only after S3 has answered 100 Continue (RFC 9110, section 10.1.1).
// Otherwise a server that has stopped could keep the request in memory and execute it when it runs again, long after
// the client has given up.
func WithExpect(ctx context.Context) context.Context {
	return context.WithValue(ctx, expectKey{}, true)
}

func expects(ctx context.Context) bool { return ctx.Value(expectKey{}) != nil }

// sendExpecting sends a request that is marked by WithExpect. A service that answers probes, but not with 100
// Continue, gets the body at once with the next attempt. Only an answer to that attempt shows that the service does
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
	var decided atomic.Bool // S3 has asked for the body, or has answered
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

// cancelWithoutContinue starts a timer that cancels r with ErrNoContinue if the service answers two probes, but has
// not decided about the body by then.
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
