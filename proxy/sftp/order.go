package sftp

import (
	"context"
	"slices"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// pathOrder delays a request while an earlier one with the same name, or a name above or below, runs, if one of them changes
// something. So clients may send requests without waiting for answers.
type pathOrder struct {
	mu      sync.Mutex
	running []*turn
}

// A turn is a request that runs or waits.
type turn struct {
	names  []string
	change bool
	done   chan struct{}
	after  []*turn
}

// enter adds a request, in the order of arrival.
func (o *pathOrder) enter(change bool, paths ...string) *turn {
	t := &turn{names: paths, change: change, done: make(chan struct{})}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.running {
		if (change || other.change) && other.touches(t) {
			t.after = append(t.after, other)
		}
	}
	o.running = append(o.running, t)
	return t
}

// touches reports whether two requests have related names.
func (t *turn) touches(other *turn) bool {
	for _, a := range t.names {
		for _, b := range other.names {
			if names.IsWithin(a, b) || names.IsWithin(b, a) {
				return true
			}
		}
	}
	return false
}

// await waits until the request may run.
func (t *turn) await(ctx context.Context) error {
	for _, earlier := range t.after {
		select {
		case <-earlier.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	t.after = nil
	return nil
}

// leave removes a request that has run.
func (o *pathOrder) leave(t *turn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running = slices.DeleteFunc(o.running, func(other *turn) bool { return other == t })
	close(t.done)
}
