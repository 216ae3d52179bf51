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

// errBusy says that another session is changing the same name: the operation was refused, and can be retried.
var errBusy = fmt.Errorf("another session changes the name: %w", syscall.EBUSY)

// nameLocks serialize the changes of one process to one name. S3 has conditions for that, but some services ignore
// them, as MinIO does on copies and deletions: without a lock, an operation that checks an object and then deletes it
// could delete one that was stored in between.
//
// The zero value has no locks. An uncontended lock costs one map entry.
type nameLocks struct {
	mu     sync.Mutex
	queues map[lockedName][]chan struct{} // for each locked name, the waiting operations in FIFO order
}

// A lockedName is a key without its final slash: a file and the marker of a directory of that name share a lock.
type lockedName struct{ bucket, name string }

// acquireOrQueue locks a name if it is unlocked, and returns nil. Otherwise it returns a channel that is closed when
// the lock is handed over.
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

// tryAcquire locks a name if it is unlocked, and reports whether it did.
func (l *nameLocks) tryAcquire(n lockedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acquireIfFree(n)
}

// acquireIfFree is tryAcquire for a caller that holds mu.
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

// release unlocks names. It hands each to the operation that has waited longest.
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

// cancelWait removes an operation from the queue of a name. It reports whether the lock was handed over before that.
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

// acquire locks a name. It fails with errBusy after the deadline, and with the cause of ctx when ctx ends.
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

// A nameLock is the lock of one operation on the one or two names that it checks and then changes. The operation does
// not hold it while it waits for its client, while S3 receives content, or while S3 copies a large object in parts.
type nameLock struct {
	client *Client
	names  [2]lockedName // sorted, to prevent deadlock
	count  int           // of names
	mu     sync.Mutex
	held   bool
	check  func(context.Context) error // called under the lock; its error ends the operation. nil = no check
}

// newNameLock returns a lock, not acquired yet, for the names of one or two keys.
func (f *FS) newNameLock(keys ...string) *nameLock {
	l := &nameLock{client: f.client}
	for _, key := range keys {
		l.add(f.bucket, key)
	}
	return l
}

// add adds the name of a key. A nameLock holds each name once.
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

// acquire locks the names and then calls check. It waits up to Service.Timeout. It does nothing if the names are
// locked by l already.
func (l *nameLock) acquire(ctx context.Context) error { return l.acquireWithin(ctx, l.client.timeout) }

// acquireWithin is acquire with another time limit.
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

// tryAcquire locks a single name if it is unlocked, without check, and reports whether it did.
func (l *nameLock) tryAcquire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = l.client.names.tryAcquire(l.names[0])
	return l.held
}

// release unlocks the names, if l has locked them.
func (l *nameLock) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.held = false
		l.client.names.release(l.names[:l.count]...)
	}
}

// A nameWatch records which keys with a prefix other operations of this process write or delete. An operation that
// does not hold its lock all the time needs it, because a condition cannot show every change: some services ignore
// conditions, and a copy of an object onto itself keeps the ETag.
type nameWatch struct {
	uploads *uploadRegistry
	prefix  string // of bucketKeys
	mu      sync.Mutex
	written map[string]bool // by bucketKey
}

// watchKey is the context key of the watches that ignore a request.
type watchKey struct{}

// watch begins to watch the keys with a prefix, until stop is called. Requests with the returned context are not
// recorded.
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

// ignoring returns a context: w ignores its requests, as do the watches that ignore those of ctx.
func (w *nameWatch) ignoring(ctx context.Context) context.Context {
	watches, _ := ctx.Value(watchKey{}).([]*nameWatch)
	return context.WithValue(ctx, watchKey{}, append(slices.Clip(watches), w))
}

// stop ends the watch. It does nothing if w is nil.
func (w *nameWatch) stop() {
	if w == nil {
		return
	}
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	delete(w.uploads.watches, w)
}

// sawWrite reports whether a key was written or deleted. It is false if w is nil.
func (w *nameWatch) sawWrite(bucketKey string) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written[bucketKey]
}

// forget removes the record of a key.
func (w *nameWatch) forget(bucketKey string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.written, bucketKey)
}

// noteWrite records a write or deletion of a key that S3 has answered.
func (r *uploadRegistry) noteWrite(ctx context.Context, bucketKey string) {
	ignoring, _ := ctx.Value(watchKey{}).([]*nameWatch)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent.add(bucketKey)
	for w := range r.watches {
		if strings.HasPrefix(bucketKey, w.prefix) && !slices.Contains(ignoring, w) {
			w.mu.Lock()
			w.written[bucketKey] = true
			w.mu.Unlock()
		}
	}
}

// recentFor is the shortest time for which a write counts as recent.
const recentFor = 2 * time.Second

// recentWrites are the keys that this process has written recently, in two generations. The zero value has none.
type recentWrites struct {
	since      time.Time // start of the younger generation
	young, old map[string]bool
}

// rotate replaces the generations that have reached recentFor.
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

func (r *recentWrites) add(bucketKey string) {
	r.rotate()
	r.young[bucketKey] = true
}

// wroteRecently reports whether this process has written a key within recentFor.
func (r *uploadRegistry) wroteRecently(bucketKey string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent.rotate()
	return r.recent.young[bucketKey] || r.recent.old[bucketKey]
}
