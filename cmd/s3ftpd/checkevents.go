package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

// eventsTimeout is the time limit of checkEvents, that of an attempt to send an event.
const eventsTimeout = 10 * time.Second

// checkEvents asks the receiver of events for its methods. An event, even one for a test, could start work there. The texts do not
// contain the URL, which may have a token.
func checkEvents(ctx context.Context, r *report, c *config.Config) {
	if c.EventURL == "" {
		return
	}
	const doc = "see docs/events.md"
	switch status, err := askReceiver(ctx, c.EventURL); {
	case err != nil:
		r.fail("events", "until it answers, events wait, and are dropped after 15 minutes; "+doc, "the receiver of events cannot be asked: %v", err)
	case status/100 == 3:
		r.fail("events", "set --event-url to the address that the receiver redirects to", "the receiver of events redirects with %d, which is not followed", status)
	case status == http.StatusNotFound || status == http.StatusGone:
		r.warn("events", "check the path of --event-url; "+doc, "the receiver of events answers %d to OPTIONS", status)
	case status/100 == 5 && status != http.StatusNotImplemented:
		r.warn("events", "check whether it is up; "+doc, "the receiver of events answers %d to OPTIONS", status)
	default:
		r.ok("events", "the receiver of events answers (%d to OPTIONS); whether it accepts events is not tried", status)
	}
}

// askReceiver sends OPTIONS to a receiver of events.
func askReceiver(ctx context.Context, address string) (status int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, eventsTimeout, fmt.Errorf("no answer within %s", eventsTimeout))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodOptions, address, nil)
	if err != nil {
		return 0, errors.New("the URL is invalid")
	}
	r.Header.Set("User-Agent", "s3ftpd")
	client := signed.NewClient(address, 1)
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return 0, cause
		}
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}
