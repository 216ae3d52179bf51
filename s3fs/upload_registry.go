package s3fs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// errTakenOver ends an upload whose multipart upload another session has resumed.
var errTakenOver = fmt.Errorf("another session has resumed this upload: %w", syscall.EBUSY)

// A Registry is what the sessions of a process know of each other's changes: the names that are locked, the uploads that run
// or were left open, and the keys that were written recently. All clients of a process for one S3 service must share one, whatever
// their credentials; clients for different services must not, as it knows objects by bucket and key alone.
//
// The zero value is ready to use. A Registry must not be copied.
type Registry struct {
	names   nameLocks
	uploads uploadRegistry
}

// An ownership is the right of one session of this process to change a multipart upload. Where another process takes over,
// nobody loses that right; then the ETags decide, by which Complete names the parts.
type ownership struct {
	bucketKey   string      // bucket and key
	conflicting atomic.Bool // a session of this process has sent another write of the key
	mu          sync.Mutex
	lost        bool
	requests    sync.WaitGroup
}

// beginRequest begins a change, and reports whether it may be made; leave ends it.
func (o *ownership) beginRequest() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.lost {
		o.requests.Add(1)
	}
	return !o.lost
}

func (o *ownership) endRequest() { o.requests.Done() }

// isLost reports whether the upload has been taken over.
func (o *ownership) isLost() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

// takeOver takes the upload over, once all changes under way are made.
func (o *ownership) takeOver(ctx context.Context) error {
	o.mu.Lock()
	o.lost = true
	o.mu.Unlock()
	made := make(chan struct{})
	go func() {
		defer close(made)
		o.requests.Wait()
	}()
	select {
	case <-made:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// uploadRegistry are the multipart uploads that this process knows of: those that its sessions own, and for some keys those
// that have been left open.
type uploadRegistry struct {
	mu        sync.Mutex
	owners    map[string]*ownership       // by id
	suspended map[string]suspendedUploads // by bucket and key

	finishing map[string]*inProgress // by bucket and key
	cleaning  map[string]*inProgress // clean-ups that go on after a reply, by bucket and key
	watches   map[*nameWatch]bool
	recent    recentWrites
}

// maxSuspended bounds what is remembered; what is forgotten is found again when somebody asks for it.
const maxSuspended = 10_000

func (l *uploadRegistry) register(id string, o *ownership) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners == nil {
		l.owners = make(map[string]*ownership)
	}
	l.owners[id] = o
}

func (l *uploadRegistry) unregister(id string, o *ownership) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners[id] == o {
		delete(l.owners, id)
	}
}

// ownerOf returns the owner of a multipart upload, nil if it has none here.
func (l *uploadRegistry) ownerOf(id string) *ownership {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owners[id]
}

// noteConflict notes that a write or deletion of a place is being sent, other than by the upload itself: uploads to it that run must be
// verified once they are complete.
func (l *uploadRegistry) noteConflict(place, uploadID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, o := range l.owners {
		if o.bucketKey == place && id != uploadID {
			o.conflicting.Store(true)
		}
	}
}

// suspendedUploads are the multipart uploads to one key that this process has left open: by ID, the last lease that this process
// has written for it.
type suspendedUploads map[string]lease

// addSuspended remembers a multipart upload that was left open.
func (l *uploadRegistry) addSuspended(place, id string, last lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspendedTo(place)[id] = last
}

// restoreSuspended remembers again what collect has returned. If a session has resumed an upload since and left it once more,
// its newer lease stays.
func (l *uploadRegistry) restoreSuspended(place string, left suspendedUploads) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, last := range left {
		if _, since := l.suspendedTo(place)[id]; !since {
			l.suspendedTo(place)[id] = last
		}
	}
}

// suspendedTo returns what is remembered of a place, to be added to.
func (l *uploadRegistry) suspendedTo(place string) suspendedUploads {
	if l.suspended == nil || len(l.suspended) >= maxSuspended {
		l.suspended = make(map[string]suspendedUploads)
	}
	if l.suspended[place] == nil {
		l.suspended[place] = make(suspendedUploads)
	}
	return l.suspended[place]
}

// takeSuspended returns what was left open, and forgets it.
func (l *uploadRegistry) takeSuspended(place string) suspendedUploads {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.suspended[place]
	delete(l.suspended, place)
	return left
}

// finishTimeout is how long a question waits for the end of uploads.
const finishTimeout = 10 * time.Second

// An inProgress is the time between the last byte of an upload and its end, whatever that will be. A client that has lost
// its connections may be back and ask where it stands before that is over. Clean-ups have an ending too.
type inProgress struct {
	count int
	done  chan struct{}
}

// startFinishing notes that an upload to a place is coming to its end, and returns what notes that it is there.
func (l *uploadRegistry) startFinishing(place string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start(&l.finishing, place)
}

// start adds to the endings of a place, for a caller that holds mu.
func (l *uploadRegistry) start(all *map[string]*inProgress, place string) (end func()) {
	if *all == nil {
		*all = make(map[string]*inProgress)
	}
	e := (*all)[place]
	if e == nil {
		e = &inProgress{done: make(chan struct{})}
		(*all)[place] = e
	}
	e.count++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if e.count--; e.count == 0 {
			close(e.done)
			delete(*all, place)
		}
	}
}

// awaitFinishing waits for the uploads of this process to a place that are coming to their end, and reports whether there were any.
func (l *uploadRegistry) awaitFinishing(ctx context.Context, place string) bool {
	return l.await(ctx, &l.finishing, place)
}

// await waits for the endings of a place, and reports whether there were any.
func (l *uploadRegistry) await(ctx context.Context, all *map[string]*inProgress, place string) bool {
	l.mu.Lock()
	e := (*all)[place]
	l.mu.Unlock()
	if e == nil {
		return false
	}
	timer := time.NewTimer(finishTimeout)
	defer timer.Stop()
	select {
	case <-e.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return true
}

// markFinishing notes that all there will be of the content has been received.
func (u *upload) markFinishing() {
	if u.resuming.endFinishing == nil {
		u.resuming.endFinishing = u.fs.client.uploads.startFinishing(u.fs.bucketKey(u.key))
	}
}

// bucketKey names a key among all that a client knows.
func (f *FS) bucketKey(key string) string { return f.bucket + "/" + key }

// startCleanUp notes that uploads to a place are being aborted, and returns what notes that they are.
func (l *uploadRegistry) startCleanUp(place string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start(&l.cleaning, place)
}

// awaitCleanUps waits for the clean-ups of this process that are about a place, or about a directory above it.
func (l *uploadRegistry) awaitCleanUps(ctx context.Context, place string) {
	for i := range place {
		if place[i] == '/' {
			l.await(ctx, &l.cleaning, place[:i+1])
		}
	}
	l.await(ctx, &l.cleaning, strings.TrimSuffix(place, "/"))
}
