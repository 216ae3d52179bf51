package s3fs

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// A nameWatch notes which keys with a prefix other operations of this process write or delete. By it an operation that does not hold its
// lock all the time sees changes that no condition would tell: some services ignore conditions, and a copy of an object onto itself
// keeps the ETag.
type nameWatch struct {
	uploads *uploads
	prefix  string // bucket and key, or the beginning of keys
	mu      sync.Mutex
	changed map[string]bool // by bucket and key
}

type watchKey struct{}

// watch begins to watch the keys with a prefix; end ends it. What is done with the context that it returns is not noted.
func (f *FS) watch(ctx context.Context, prefix string) (context.Context, *nameWatch) {
	w := &nameWatch{uploads: f.client.uploads, prefix: f.place(prefix), changed: make(map[string]bool)}
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	if w.uploads.watches == nil {
		w.uploads.watches = make(map[*nameWatch]bool)
	}
	w.uploads.watches[w] = true
	return w.own(ctx), w
}

// own returns a context in which nothing is noted, in addition to the watches that ctx has already.
func (w *nameWatch) own(ctx context.Context) context.Context {
	others, _ := ctx.Value(watchKey{}).([]*nameWatch)
	return context.WithValue(ctx, watchKey{}, append(slices.Clip(others), w))
}

func (w *nameWatch) end() {
	if w == nil {
		return
	}
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	delete(w.uploads.watches, w)
}

// has reports whether a key was changed.
func (w *nameWatch) has(place string) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed[place]
}

// forget forgets that a key was changed.
func (w *nameWatch) forget(place string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.changed, place)
}

// changed notes for the watches that a request about a place was answered.
func (l *uploads) changed(ctx context.Context, place string) {
	own, _ := ctx.Value(watchKey{}).([]*nameWatch)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.add(place)
	for w := range l.watches {
		if strings.HasPrefix(place, w.prefix) && !slices.Contains(own, w) {
			w.mu.Lock()
			w.changed[place] = true
			w.mu.Unlock()
		}
	}
}

// recentFor is how long a write counts as recent, at least.
const recentFor = 2 * time.Second

// recentWrites are the keys that this process has written lately, in two generations. The zero value has none.
type recentWrites struct {
	since    time.Time // when the younger generation began
	now, old map[string]bool
}

// rotate makes the younger generation the older one when it is older than recentFor.
func (r *recentWrites) rotate() {
	age := time.Since(r.since)
	if age < recentFor {
		return
	}
	r.old = r.now
	if age >= 2*recentFor {
		r.old = nil
	}
	r.now, r.since = make(map[string]bool), time.Now()
}

func (r *recentWrites) add(place string) {
	r.rotate()
	r.now[place] = true
}

// wroteLately reports whether this process has written a key in the last seconds.
func (l *uploads) wroteLately(place string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.rotate()
	return l.recent.now[place] || l.recent.old[place]
}
