package s3fs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// long sends a request about which S3 may be silent for long, for as long as S3 answers others: it may be at work, or it
// may be gone, and only another request tells the two apart.
func (c *httpClient) long(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	go c.watch(ctx, r, cancel)
	resp, err := c.send(r.WithContext(ctx), patience*c.timeout)
	if err != nil {
		if r.Context().Err() == nil && ctx.Err() != nil {
			err = fmt.Errorf("S3 is silent, to other requests too: %w", context.Cause(ctx))
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = watched{resp.Body, cancel}
	return resp, nil
}

// watch asks S3 for nothing, each time that a request could have been answered, until ctx ends; it ends it by giveUp if
// there is no answer.
func (c *httpClient) watch(ctx context.Context, r *http.Request, giveUp context.CancelCauseFunc) {
	tick := time.NewTicker(c.timeout)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := c.answers(ctx, r); err != nil {
			giveUp(err)
			return
		}
	}
}

// answers asks the service that r goes to for nothing. Any answer will do, which takes neither a bucket nor a key.
func (c *httpClient) answers(ctx context.Context, r *http.Request) error {
	u := *r.URL
	u.Path, u.RawPath, u.RawQuery = "/", "", ""
	probe, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := c.send(probe, c.timeout)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// watched is the content of an answer that is watched until it has been read.
type watched struct {
	io.ReadCloser
	done context.CancelCauseFunc
}

func (w watched) Close() error {
	err := w.ReadCloser.Close()
	w.done(nil)
	return err
}
