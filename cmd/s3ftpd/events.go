package main

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/observe"
	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

// minFlush is the time to send the last events after the end of sessions that took all of --drain-timeout, unless that is shorter.
const minFlush = 5 * time.Second

// startObserver returns the observer of all sessions: the log, and the sender of events if there is a receiver. After the last session,
// stop must be called. It sends the events that are left, within what is left of --drain-timeout.
func startObserver(ctx context.Context, c *config.Config, log *slog.Logger) (all proxy.Observer, stop func()) {
	lines := observe.Log(log)
	if c.EventURL == "" {
		return lines, func() {}
	}
	if c.EventURLSecretFile == "" {
		log.Warn("events are not signed, so their receiver cannot know who sends them", "advice", "set --event-url-secret-file")
	}
	events := observe.NewEvents(observe.EventOptions{URL: c.EventURL, Source: eventSource(), Secret: signed.SecretFile(c.EventURLSecretFile),
		Client: signed.NewClient(c.EventURL, observe.EventSenders), Observer: lines})
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var drained sync.WaitGroup
	drained.Go(func() { events.Run(running) })
	stopping := make(chan time.Time, 1)
	notice := context.AfterFunc(ctx, func() { stopping <- time.Now() })
	return observe.All(lines, events), func() {
		left := c.DrainTimeout
		if !notice() {
			left -= time.Since(<-stopping)
		}
		timer := time.AfterFunc(max(left, min(minFlush, c.DrainTimeout)), cancel)
		events.Drain()
		drained.Wait()
		timer.Stop()
		cancel()
		if n := events.Dropped(); n > 0 {
			log.Warn("events dropped since the start", "count", n)
		}
	}
}

// eventSource returns the source of events: a URI reference with the name of the host.
func eventSource() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "s3ftpd"
	}
	return "//" + url.PathEscape(host) + "/s3ftpd"
}
