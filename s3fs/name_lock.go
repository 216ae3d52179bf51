package s3fs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errBusy says that another session changes the same name: the operation was refused, and can be tried again.
var errBusy = fmt.Errorf("another session changes the name: %w", syscall.EBUSY)

// nameLocks give the changes of one process to one name an order. S3 has conditions for that, but some services ignore them, as MinIO
// does on copies and deletions: an operation that checks an object and then deletes it would delete one stored in between.
//
// The zero value has no locks. A name that nobody waits for costs one map entry.
type nameLocks struct {
	mu     sync.Mutex
	queues map[lockedName][]chan struct{} // for each locked name, first come, first served
}

// A lockedName is a key without a slash at its end: a file and the marker of a directory of that name share a lock.
type lockedName struct{ bucket, name string }

// acquireOrQueue locks a name if it is free. Else it returns a channel that is closed once the lock has been handed over.
func (l *nameLocks) acquireOrQueue(n lockedName) (handed chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.acquireIfFree(n) {
		return nil
	}
	handed = make(chan struct{})
	l.queues[n] = append(l.queues[n], handed)
	return handed
}

// tryAcquire locks a name if it is free, and reports whether it was.
func (l *nameLocks) tryAcquire(n lockedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acquireIfFree(n)
}

// acquireIfFree is try for a caller that holds mu.
func (l *nameLocks) acquireIfFree(n lockedName) bool {
	if _, locked := l.queues[n]; locked {
		return false
	}
	if l.queues == nil {
		l.queues = make(map[lockedName][]chan struct{})
	}
	l.queues[n] = nil
	return true
}

// release unlocks names, each of which it hands to the operation that has waited for it longest.
func (l *nameLocks) release(names ...lockedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range names {
		queue := l.queues[n]
		if len(queue) == 0 {
			delete(l.queues, n)
			continue
		}
		l.queues[n] = queue[1:]
		close(queue[0])
	}
}

// cancelWait ends the waiting for a name, and reports whether the lock has been handed over already.
func (l *nameLocks) cancelWait(n lockedName, handed chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.queues[n]
	i := slices.Index(queue, handed)
	if i < 0 {
		return true
	}
	l.queues[n] = slices.Delete(queue, i, i+1)
	return false
}

// acquire locks a name, for which it waits until the deadline. It returns errBusy after that, and the cause when ctx ends.
func (l *nameLocks) acquire(ctx context.Context, n lockedName, deadline time.Time) error {
	handed := l.acquireOrQueue(n)
	if handed == nil {
		return nil
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	var err error
	select {
	case <-handed:
		return nil
	case <-timer.C:
		err = errBusy
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if l.cancelWait(n, handed) {
		l.release(n)
	}
	return err
}

// A nameLock is the lock of one operation on the one or two names that it checks and then changes. It is held neither while a client is
// waited for, nor while S3 receives a content, nor while S3 copies a large object in parts.
type nameLock struct {
	client *Client
	names  [2]lockedName // sorted, so that no two operations wait for each other
	count  int           // of names
	mu     sync.Mutex
	held   bool
	check  func(context.Context) error // whether the operation may still go on, once the names are locked; nil = it may
}

// newNameLock prepares to lock the names of one or two keys.
func (f *FS) newNameLock(keys ...string) *nameLock {
	l := &nameLock{client: f.client}
	for _, key := range keys {
		l.add(f.bucket, key)
	}
	return l
}

// add adds the name of a key.
func (l *nameLock) add(bucket, key string) {
	n := lockedName{bucket, strings.TrimSuffix(key, "/")}
	switch {
	case l.count == 1 && n == l.names[0]:
		return
	case l.count == 1 && n.name < l.names[0].name:
		l.names[0], n = n, l.names[0]
	}
	l.names[l.count] = n
	l.count++
}

// acquire locks the names, for which it waits for as long as S3 may be silent, and then runs check. It does nothing while they are locked.
func (l *nameLock) acquire(ctx context.Context) error { return l.acquireWithin(ctx, l.client.timeout) }

func (l *nameLock) acquireWithin(ctx context.Context, wait time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := context.Cause(ctx); err != nil || l.held {
		return err
	}
	deadline := time.Now().Add(wait)
	for i, n := range l.names[:l.count] {
		if err := l.client.names.acquire(ctx, n, deadline); err != nil {
			l.client.names.release(l.names[:i]...)
			return err
		}
	}
	if l.check != nil {
		if err := l.check(ctx); err != nil {
			l.client.names.release(l.names[:l.count]...)
			return err
		}
	}
	l.held = true
	return nil
}

// tryAcquire locks the name if it is free, and reports whether it was.
func (l *nameLock) tryAcquire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = l.client.names.tryAcquire(l.names[0])
	return l.held
}

// release unlocks the names, if they are locked.
func (l *nameLock) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.held = false
		l.client.names.release(l.names[:l.count]...)
	}
}

// A nameWatch notes which keys with a prefix other operations of this process write or delete. By it an operation that does not hold its
// lock all the time sees changes that no condition would tell: some services ignore conditions, and a copy of an object onto itself
// keeps the ETag.
type nameWatch struct {
	uploads *uploadRegistry
	prefix  string // bucket and key, or the beginning of keys
	mu      sync.Mutex
	written map[string]bool // by bucket and key
}

type watchKey struct{}

// watch begins to watch the keys with a prefix; end ends it. What is done with the context that it returns is not noted.
func (f *FS) watch(ctx context.Context, prefix string) (context.Context, *nameWatch) {
	w := &nameWatch{uploads: f.client.uploads, prefix: f.bucketKey(prefix), written: make(map[string]bool)}
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	if w.uploads.watches == nil {
		w.uploads.watches = make(map[*nameWatch]bool)
	}
	w.uploads.watches[w] = true
	return w.ignoring(ctx), w
}

// ignoring returns a context in which nothing is noted, in addition to the watches that ctx has already.
func (w *nameWatch) ignoring(ctx context.Context) context.Context {
	others, _ := ctx.Value(watchKey{}).([]*nameWatch)
	return context.WithValue(ctx, watchKey{}, append(slices.Clip(others), w))
}

func (w *nameWatch) stop() {
	if w == nil {
		return
	}
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	delete(w.uploads.watches, w)
}

// sawWrite reports whether a key was changed.
func (w *nameWatch) sawWrite(place string) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written[place]
}

// forget forgets that a key was changed.
func (w *nameWatch) forget(place string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.written, place)
}

// noteWrite notes for the watches that a request about a place was answered.
func (l *uploadRegistry) noteWrite(ctx context.Context, place string) {
	own, _ := ctx.Value(watchKey{}).([]*nameWatch)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.add(place)
	for w := range l.watches {
		if strings.HasPrefix(place, w.prefix) && !slices.Contains(own, w) {
			w.mu.Lock()
			w.written[place] = true
			w.mu.Unlock()
		}
	}
}

// recentFor is how long a write counts as recent, at least.
const recentFor = 2 * time.Second

// recentWrites are the keys that this process has written lately, in two generations. The zero value has none.
type recentWrites struct {
	since      time.Time // when the younger generation began
	young, old map[string]bool
}

// rotate makes the younger generation the older one when it is older than recentFor.
func (r *recentWrites) rotate() {
	age := time.Since(r.since)
	if age < recentFor {
		return
	}
	r.old = r.young
	if age >= 2*recentFor {
		r.old = nil
	}
	r.young, r.since = make(map[string]bool), time.Now()
}

func (r *recentWrites) add(place string) {
	r.rotate()
	r.young[place] = true
}

// wroteRecently reports whether this process has written a key in the last seconds.
func (l *uploadRegistry) wroteRecently(place string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.rotate()
	return l.recent.young[place] || l.recent.old[place]
}
