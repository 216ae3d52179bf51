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

// errTakenOver ends an upload after another session has resumed its multipart upload.
var errTakenOver = fmt.Errorf("another session has resumed this upload: %w", syscall.EBUSY)

// A Registry holds the state that the sessions of a process share: locked names, running and suspended uploads, and
// recently written keys.
//
// All clients of a process for one S3 service must share a Registry, whatever their credentials. Clients for
// different services must not share one, because it identifies objects by bucket and key alone.
//
// The zero value is ready to use. A Registry must not be copied.
type Registry struct {
	names   nameLocks
	uploads uploadRegistry
}

// An ownership is the right of one session to change a multipart upload. Another session of the same process takes it
// over before it resumes the upload. A session of another process cannot; there the lease part and the ETags in
// CompleteMultipartUpload protect the upload.
type ownership struct {
	bucketKey   string
	conflicting atomic.Bool // this process has sent another write of the key since the upload began
	mu          sync.Mutex
	lost        bool
	requests    sync.WaitGroup // that change the upload
}

// beginRequest reports whether the session still owns the upload and may send a request that changes it. If so, the
// caller must call endRequest after the answer.
func (o *ownership) beginRequest() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.lost {
		o.requests.Add(1)
	}
	return !o.lost
}

func (o *ownership) endRequest() { o.requests.Done() }

// isLost reports whether another session of this process has taken over the upload.
func (o *ownership) isLost() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

// takeOver ends the ownership, and waits for the requests that its session has sent.
func (o *ownership) takeOver(ctx context.Context) error {
	o.mu.Lock()
	o.lost = true
	o.mu.Unlock()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		o.requests.Wait()
	}()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// An uploadRegistry holds the multipart uploads that this process runs, those it has suspended, and the writes that
// other operations must know of. A bucketKey is a bucket and a key, joined by a slash.
type uploadRegistry struct {
	mu        sync.Mutex
	owners    map[string]*ownership       // by upload ID
	suspended map[string]suspendedUploads // by bucketKey

	finishing map[string]*inProgress // uploads that have received all of their content, by bucketKey
	cleaning  map[string]*inProgress // clean-ups that run after the reply, by bucketKey
	watches   map[*nameWatch]bool
	recent    recentWrites
}

// maxSuspended limits the keys with suspended uploads that are remembered. Forgotten uploads are found by listing.
const maxSuspended = 10_000

// register notes the owner of a multipart upload.
func (r *uploadRegistry) register(id string, o *ownership) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owners == nil {
		r.owners = make(map[string]*ownership)
	}
	r.owners[id] = o
}

// unregister removes a multipart upload, unless another session owns it by now.
func (r *uploadRegistry) unregister(id string, o *ownership) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owners[id] == o {
		delete(r.owners, id)
	}
}

// ownerOf returns the owner of a multipart upload, or nil if this process does not run it.
func (r *uploadRegistry) ownerOf(id string) *ownership {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owners[id]
}

// noteConflict marks the running uploads to a key that must be verified on completion, because another write or
// deletion of the key is being sent. If an upload sends that write itself, uploadID is its ID.
func (r *uploadRegistry) noteConflict(bucketKey, uploadID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, o := range r.owners {
		if o.bucketKey == bucketKey && id != uploadID {
			o.conflicting.Store(true)
		}
	}
}

// suspendedUploads are the multipart uploads to one key that this process left open for resuming: the last lease that
// it wrote, by upload ID.
type suspendedUploads map[string]lease

// addSuspended remembers a multipart upload that was left open for resuming.
func (r *uploadRegistry) addSuspended(bucketKey, id string, last lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suspendedTo(bucketKey)[id] = last
}

// restoreSuspended undoes takeSuspended. An upload that was resumed and suspended again since then keeps its newer
// lease.
func (r *uploadRegistry) restoreSuspended(bucketKey string, suspended suspendedUploads) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, last := range suspended {
		if _, again := r.suspendedTo(bucketKey)[id]; !again {
			r.suspendedTo(bucketKey)[id] = last
		}
	}
}

// suspendedTo returns the suspended uploads to a key, to be added to. The caller must hold mu.
func (r *uploadRegistry) suspendedTo(bucketKey string) suspendedUploads {
	if r.suspended == nil || len(r.suspended) >= maxSuspended {
		r.suspended = make(map[string]suspendedUploads)
	}
	if r.suspended[bucketKey] == nil {
		r.suspended[bucketKey] = make(suspendedUploads)
	}
	return r.suspended[bucketKey]
}

// takeSuspended returns the suspended uploads to a key, and forgets them.
func (r *uploadRegistry) takeSuspended(bucketKey string) suspendedUploads {
	r.mu.Lock()
	defer r.mu.Unlock()
	suspended := r.suspended[bucketKey]
	delete(r.suspended, bucketKey)
	return suspended
}

// finishTimeout is how long Stat and other lookups wait for uploads that are finishing.
const finishTimeout = 10 * time.Second

// An inProgress counts the uploads to one key that are finishing: all content is received, but the upload is neither
// published nor suspended yet. A client that has lost its connections may reconnect and ask for the size before that.
// Running clean-ups are counted in the same way.
type inProgress struct {
	count int
	done  chan struct{} // closed when count is 0
}

// startFinishing notes that an upload to a key is finishing, until end is called.
func (r *uploadRegistry) startFinishing(bucketKey string) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.start(&r.finishing, bucketKey)
}

// startCleanUp notes that uploads to a key are being aborted, until end is called.
func (r *uploadRegistry) startCleanUp(bucketKey string) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.start(&r.cleaning, bucketKey)
}

// start counts one more in all[bucketKey]. The caller must hold mu.
func (r *uploadRegistry) start(all *map[string]*inProgress, bucketKey string) (end func()) {
	if *all == nil {
		*all = make(map[string]*inProgress)
	}
	e := (*all)[bucketKey]
	if e == nil {
		e = &inProgress{done: make(chan struct{})}
		(*all)[bucketKey] = e
	}
	e.count++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if e.count--; e.count == 0 {
			close(e.done)
			delete(*all, bucketKey)
		}
	}
}

// awaitFinishing waits until no upload of this process to a key is finishing, and reports whether any was.
func (r *uploadRegistry) awaitFinishing(ctx context.Context, bucketKey string) bool {
	return r.await(ctx, &r.finishing, bucketKey)
}

// await waits for all[bucketKey], up to finishTimeout, and reports whether anything was in progress.
func (r *uploadRegistry) await(ctx context.Context, all *map[string]*inProgress, bucketKey string) bool {
	r.mu.Lock()
	e := (*all)[bucketKey]
	r.mu.Unlock()
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

// awaitCleanUps waits for the clean-ups of this process that concern a key or a directory above it.
func (r *uploadRegistry) awaitCleanUps(ctx context.Context, bucketKey string) {
	for i := range bucketKey {
		if bucketKey[i] == '/' {
			r.await(ctx, &r.cleaning, bucketKey[:i+1])
		}
	}
	r.await(ctx, &r.cleaning, strings.TrimSuffix(bucketKey, "/"))
}
