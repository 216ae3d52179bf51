package s3fs

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// errTaken ends an upload whose multipart upload another session has resumed.
var errTaken = errors.New("another session has resumed this upload")

// An owner is the right of one session of this process to change a multipart upload. Where another process takes over,
// nobody loses that right; then the ETags decide, by which Complete names the parts.
type owner struct {
	mu      sync.Mutex
	taken   bool
	senders sync.WaitGroup
}

// enter begins a change, and reports whether it may be made; leave ends it.
func (o *owner) enter() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.taken {
		o.senders.Add(1)
	}
	return !o.taken
}

func (o *owner) leave() { o.senders.Done() }

// lost reports whether the upload has been taken over.
func (o *owner) lost() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken
}

// take takes the upload over, once all changes under way are made.
func (o *owner) take(ctx context.Context) error {
	o.mu.Lock()
	o.taken = true
	o.mu.Unlock()
	made := make(chan struct{})
	go func() {
		defer close(made)
		o.senders.Wait()
	}()
	select {
	case <-made:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// uploads are the multipart uploads that this process knows of: those that its sessions own, and for some keys those
// that have been left open.
type uploads struct {
	mu     sync.Mutex
	owners map[string]*owner   // by id
	left   map[string][]string // ids, by bucket and key
	secret map[string]bool     // buckets that do not list them

	endings map[string]*ending // by bucket and key
}

// mostLeft bounds what is remembered; what is forgotten is found again when somebody asks for it.
const mostLeft = 10_000

func (l *uploads) own(id string, o *owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners == nil {
		l.owners = make(map[string]*owner)
	}
	l.owners[id] = o
}

func (l *uploads) disown(id string, o *owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners[id] == o {
		delete(l.owners, id)
	}
}

// owner returns the owner of a multipart upload, nil if it has none here.
func (l *uploads) owner(id string) *owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owners[id]
}

// leave remembers that a multipart upload was left open.
func (l *uploads) leave(place, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == nil || len(l.left) >= mostLeft {
		l.left = make(map[string][]string)
	}
	if !slices.Contains(l.left[place], id) {
		l.left[place] = append(l.left[place], id)
	}
}

// collect returns what was left open, and forgets it.
func (l *uploads) collect(place string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.left[place]
	delete(l.left, place)
	return ids
}

// hide notes that a bucket does not list its multipart uploads.
func (l *uploads) hide(bucket string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.secret == nil {
		l.secret = make(map[string]bool)
	}
	l.secret[bucket] = true
}

func (l *uploads) hidden(bucket string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.secret[bucket]
}
