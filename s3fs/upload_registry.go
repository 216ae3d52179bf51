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

// errTaken ends an upload whose multipart upload another session has resumed.
var errTaken = fmt.Errorf("another session has resumed this upload: %w", syscall.EBUSY)

// A Registry is what the sessions of a process know of each other's changes: the names that are locked, the uploads that run
// or were left open, and the keys that were written recently. All clients of a process for one S3 service must share one, whatever
// their credentials; clients for different services must not, as it knows objects by bucket and key alone.
//
// The zero value is ready to use. A Registry must not be copied.
type Registry struct {
	names   nameLocks
	uploads uploads
}

// An owner is the right of one session of this process to change a multipart upload. Where another process takes over,
// nobody loses that right; then the ETags decide, by which Complete names the parts.
type owner struct {
	place   string      // bucket and key
	touched atomic.Bool // a session of this process has sent another write of the key
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

// takeOver takes the upload over, once all changes under way are made.
func (o *owner) takeOver(ctx context.Context) error {
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
	left   map[string]leftOpen // by bucket and key

	endings  map[string]*ending // by bucket and key
	cleaning map[string]*ending // clean-ups that go on after a reply, by bucket and key
	watches  map[*nameWatch]bool
	recent   recentWrites
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

// touch notes that a write or deletion of a place is being sent, other than by the upload itself: uploads to it that run must be
// verified once they are complete.
func (l *uploads) touch(place, uploadID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, o := range l.owners {
		if o.place == place && id != uploadID {
			o.touched.Store(true)
		}
	}
}

// leftOpen are the multipart uploads to one key that this process has left open: by ID, the last lease that this process
// has written for it.
type leftOpen map[string]lease

// leave remembers a multipart upload that was left open.
func (l *uploads) leave(place, id string, last lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leftAt(place)[id] = last
}

// leaveAgain remembers again what collect has returned. If a session has resumed an upload since and left it once more,
// its newer lease stays.
func (l *uploads) leaveAgain(place string, left leftOpen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, last := range left {
		if _, since := l.leftAt(place)[id]; !since {
			l.leftAt(place)[id] = last
		}
	}
}

// leftAt returns what is remembered of a place, to be added to.
func (l *uploads) leftAt(place string) leftOpen {
	if l.left == nil || len(l.left) >= mostLeft {
		l.left = make(map[string]leftOpen)
	}
	if l.left[place] == nil {
		l.left[place] = make(leftOpen)
	}
	return l.left[place]
}

// collect returns what was left open, and forgets it.
func (l *uploads) collect(place string) leftOpen {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left[place]
	delete(l.left, place)
	return left
}

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

// place names a key among all that a client knows.
func (f *FS) place(key string) string { return f.bucket + "/" + key }

// cleansUp notes that uploads to a place are being aborted, and returns what notes that they are.
func (l *uploads) cleansUp(place string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begin(&l.cleaning, place)
}

// cleanedUp waits for the clean-ups of this process that are about a place, or about a directory above it.
func (l *uploads) cleanedUp(ctx context.Context, place string) {
	for i := range place {
		if place[i] == '/' {
			l.await(ctx, &l.cleaning, place[:i+1])
		}
	}
	l.await(ctx, &l.cleaning, strings.TrimSuffix(place, "/"))
}
