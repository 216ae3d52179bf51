package s3http

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// slowFactor multiplies the timeout of a slow request, as long as S3 answers probes.
const slowFactor = 10

type slowKey struct{}

// WithSlow returns a context for a request that S3 may take long to answer: CopyObject, UploadPartCopy or
// CompleteMultipartUpload. After the normal timeout it fails only if S3 does not answer other requests either.
func WithSlow(ctx context.Context) context.Context {
	return context.WithValue(ctx, slowKey{}, true)
}

func isSlow(ctx context.Context) bool { return ctx.Value(slowKey{}) != nil }

// sendSlow sends a slow request. Other requests show meanwhile whether S3 is alive.
func (c *Client) sendSlow(r *http.Request, limit time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	go c.cancelUnlessAlive(ctx, r, limit, cancel)
	resp, err := c.send(r.WithContext(ctx), slowFactor*limit)
	if err != nil {
		if r.Context().Err() == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = cancelingBody{resp.Body, cancel}
	return resp, nil
}

// cancelUnlessAlive probes S3 until ctx ends. It calls cancel if a probe fails, or if S3 answers no request within limit.
func (c *Client) cancelUnlessAlive(ctx context.Context, r *http.Request, limit time.Duration, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(limit / 4)
	defer tick.Stop()
	last := time.Now()
	var probed chan error // the result of the probe in progress; nil = none
	for {
		select {
		case <-tick.C:
			if c.answers.after(last) {
				last = c.answers.time()
			}
			if time.Since(last) >= limit {
				cancel(ErrSilent)
				return
			}
			if probed == nil {
				probed = make(chan error, 1)
				go func(probed chan<- error) { probed <- c.probe(ctx, r, limit) }(probed)
			}
		case err := <-probed:
			if probed = nil; err != nil {
				cancel(fmt.Errorf("S3 does not answer other requests: %w", err))
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// probe sends HEAD / to the service of r. Any response, even a refusal, shows that it is alive, so a probe needs no
// credentials, bucket or key.
func (c *Client) probe(ctx context.Context, r *http.Request, limit time.Duration) (err error) {
	defer recoverPanic(&err)
	u := *r.URL
	u.Path, u.RawPath, u.RawQuery = "/", "", ""
	head, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := c.send(head, limit)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// recoverPanic sets *err if the goroutine panics, which would otherwise end the process.
func recoverPanic(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}
