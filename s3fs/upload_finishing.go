package s3fs

import (
	"context"
	"time"
)

// longestEnd is how long a question waits for the end of uploads.
const longestEnd = 10 * time.Second

// An ending is the time between the last byte of an upload and its end, whatever that will be. A client that has lost
// its connections may be back and ask where it stands before that is over. Clean-ups have an ending too.
type ending struct {
	uploads int
	over    chan struct{}
}

// ending notes that an upload to a place is coming to its end, and returns what notes that it is there.
func (l *uploads) ending(place string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begin(&l.endings, place)
}

// begin adds to the endings of a place, for a caller that holds mu.
func (l *uploads) begin(all *map[string]*ending, place string) (end func()) {
	if *all == nil {
		*all = make(map[string]*ending)
	}
	e := (*all)[place]
	if e == nil {
		e = &ending{over: make(chan struct{})}
		(*all)[place] = e
	}
	e.uploads++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if e.uploads--; e.uploads == 0 {
			close(e.over)
			delete(*all, place)
		}
	}
}

// settle waits for the uploads of this process to a place that are coming to their end, and reports whether there were any.
func (l *uploads) settle(ctx context.Context, place string) bool {
	return l.await(ctx, &l.endings, place)
}

// await waits for the endings of a place, and reports whether there were any.
func (l *uploads) await(ctx context.Context, all *map[string]*ending, place string) bool {
	l.mu.Lock()
	e := (*all)[place]
	l.mu.Unlock()
	if e == nil {
		return false
	}
	timer := time.NewTimer(longestEnd)
	defer timer.Stop()
	select {
	case <-e.over:
	case <-timer.C:
	case <-ctx.Done():
	}
	return true
}

// markFinishing notes that all there will be of the content has been received.
func (u *upload) markFinishing() {
	if u.resuming.finished == nil {
		u.resuming.finished = u.fs.client.uploads.ending(u.fs.place(u.key))
	}
}
