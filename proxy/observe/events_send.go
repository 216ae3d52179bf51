package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

// EventOptions configure [Events]. URL, Source and Client are required.
type EventOptions struct {
	URL    string                 // of the receiver
	Secret func() ([]byte, error) // of the signature, called for each request; nil = requests are not signed
	Source string                 // of the CloudEvents, a URI reference
	Client *http.Client           // must return redirects as responses, as that of [signed.NewClient] does

	// Observer receives [event.EventsDelayed] and [event.EventsDropped]; nil = none. It must not pass them to the Events.
	Observer proxy.Observer
}

// Events is an Observer that sends changes, downloads and logins to a web hook, as CloudEvents 1.0 in JSON. docs/events.md has the
// types and their data.
//
// Observe only queues an event; Run sends it. The events of a user are sent in their order, one after the other; those of up to 8
// users at a time. An event is sent again until the receiver answers with 2xx, for 15 minutes since its first attempt. The receiver
// can refuse it with 400, 413, 415 or 422. Two queues have 10,000 events each: one for changes, one for downloads and logins. A full
// queue drops its oldest event.
type Events struct {
	EventOptions
	queue    *queue
	refusals refusals
	reports  reports
}

// EventSenders is the number of requests to the receiver of events at a time.
const EventSenders = 8

const (
	attemptTimeout = 10 * time.Second
	retryFor       = 15 * time.Minute
	minBackoff     = time.Second
	maxBackoff     = 30 * time.Second
)

// NewEvents returns an Observer that queues events until Run sends them.
func NewEvents(o EventOptions) *Events {
	e := &Events{EventOptions: o}
	e.queue = newQueue(e.reports.drop)
	return e
}

// Run sends events until ctx ends, or until Drain was called and all events were sent. It drops those that are left.
func (e *Events) Run(ctx context.Context) {
	defer context.AfterFunc(ctx, e.queue.stop)()
	e.reports.begin(func() { e.report(ctx) })
	var workers sync.WaitGroup
	for range EventSenders {
		workers.Go(func() { e.work(ctx) })
	}
	workers.Wait()
	e.queue.stop()
	e.reports.end()
	e.report(ctx)
	e.Client.CloseIdleConnections()
}

// Drain makes Run return when all events are sent. Attempts that wait for their time are made at once. No event must follow.
func (e *Events) Drain() { e.queue.drain() }

// work sends events until the queue has stopped.
func (e *Events) work(ctx context.Context) {
	for q := e.queue.next(); q != nil; q = e.queue.next() {
		switch refused, err := e.send(ctx, q.body); {
		case err == nil:
			e.queue.delivered(q, nil)
		case refused:
			e.queue.delivered(q, err)
		default:
			e.reports.failed(err)
			e.queue.failed(q, time.Now())
		}
	}
}

// refusingStatus are the answers of a receiver that will not accept this event, however often it is sent. Others, such as 401 and
// 404, are mistakes of the configuration, which end.
var refusingStatus = []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}

// send makes one attempt. If refused is true, there must be no further one. The error does not contain the URL, which may have a
// token.
func (e *Events) send(ctx context.Context, body []byte) (refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("the URL of the receiver is invalid")
	}
	r.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	r.Header.Set("User-Agent", "s3ftpd")
	if e.Secret != nil {
		secret, err := e.Secret()
		if err != nil {
			return false, fmt.Errorf("secret of the signature: %w", err)
		}
		r.Header.Set(signed.Header, signed.Value(secret, time.Now(), body))
	}
	answer, err := e.Client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return false, fmt.Errorf("send an event: %w", err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10)) // so that the connection can be used again
	if answer.StatusCode/100 == 2 {
		return false, nil
	}
	if slices.Contains(refusingStatus, answer.StatusCode) {
		return true, fmt.Errorf("the receiver refuses the event: %d", answer.StatusCode)
	}
	return false, fmt.Errorf("the receiver answers %d, not 2xx", answer.StatusCode)
}

// report passes to the Observer what has happened since the last report.
func (e *Events) report(ctx context.Context) {
	dropped, err := e.reports.take()
	if e.Observer == nil {
		return
	}
	if n := e.queue.waiting(); err != nil && n > 0 {
		e.Observer.Observe(ctx, event.EventsDelayed{Waiting: n, Err: err})
	}
	for _, d := range dropped {
		e.Observer.Observe(ctx, d)
	}
}
