package s3fs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// abortLeft aborts the broken uploads to a key that this process has left open, except one, after something else was
// stored under the key. They would be back once that is gone: SIZE would tell where they stand, and a client would
// resume another content. An upload that another process has resumed since goes on.
//
// The reply does not wait for it, see cleanUp.
func (f *FS) abortLeft(ctx context.Context, key, except string) {
	left := f.client.uploads.collect(f.place(key))
	delete(left, except)
	if len(left) > 0 {
		f.cleanUp(ctx, key, func(ctx context.Context) {
			for id, last := range left {
				if f.client.uploads.owner(id) == nil {
					f.abortUnlessResumed(ctx, multipart{key, id}, last)
				}
			}
		})
	}
}

// abortOpen aborts our uploads to a key after its object was deleted, from whichever process they are, and returns how many there were. On
// AWS, an upload that began before a deletion completes without anybody ever seeing the object.
//
// An upload that this process is running goes on, and is verified when it is complete. left are the uploads that this process has left open
// before, open all that S3 lists, or the error of listing them.
func (f *FS) abortOpen(ctx context.Context, key string, left leftOpen, open []types.MultipartUpload, err error) int {
	var aborted []string
	for id := range left {
		if f.client.uploads.owner(id) == nil {
			f.abortUploadWhile(ctx, multipart{key, id})
			aborted = append(aborted, id)
		}
	}
	open = slices.DeleteFunc(open, func(o types.MultipartUpload) bool { return slices.Contains(aborted, aws.ToString(o.UploadId)) })
	return len(aborted) + f.abortOurs(ctx, open, err)
}

// An openLister lists multipart uploads that are open.
type openLister func(context.Context) ([]types.MultipartUpload, error)

// abortOpenAfter begins to list the uploads to a key whose object is being deleted. The caller calls the function that it returns with whether
// the object was deleted. Then the uploads are aborted; the reply does not wait for it. An upload that begins after the reply is kept.
func (f *FS) abortOpenAfter(ctx context.Context, key string) (end func(deleted bool)) {
	left := f.client.uploads.collect(f.place(key))
	list := func(ctx context.Context) ([]types.MultipartUpload, error) { return f.openUploads(ctx, key) }
	after := f.abortAfter(ctx, key, list, func(ctx context.Context, open []types.MultipartUpload, err error) {
		f.abortOpen(ctx, key, left, open, err)
	})
	return func(deleted bool) {
		if !deleted {
			f.client.uploads.leaveAgain(f.place(key), left)
		}
		after(deleted)
	}
}

// abortOpenBelow is abortOpenAfter for the keys below a directory whose objects are being deleted.
func (f *FS) abortOpenBelow(ctx context.Context, dir string) (end func(deleted bool)) {
	list := func(ctx context.Context) ([]types.MultipartUpload, error) { return f.listUploads(ctx, dir) }
	return f.abortAfter(ctx, dir, list, func(ctx context.Context, open []types.MultipartUpload, err error) { f.abortOurs(ctx, open, err) })
}

// abortAfter lists uploads while objects are deleted, and calls abort after the deletion. Usually S3 has listed them before the deletion is
// over. If not, some may have begun after the reply: then only those are aborted that began before the deletion by S3's own clock.
func (f *FS) abortAfter(
	ctx context.Context, key string, list openLister, abort func(context.Context, []types.MultipartUpload, error),
) (end func(deleted bool)) {
	before := f.client.clock.time()
	deleted := make(chan bool, 1)
	begun := f.tryCleanUp(ctx, key, func(ctx context.Context) {
		open, err := list(ctx)
		if len(deleted) > 0 { // the reply may have been sent already
			open = begunBefore(open, before)
		}
		yes := false
		select {
		case yes = <-deleted:
		case <-ctx.Done():
		}
		if yes {
			abort(ctx, open, err)
		}
	})
	return func(yes bool) {
		deleted <- yes
		if yes && !begun {
			open, err := list(ctx)
			abort(ctx, open, err)
		}
	}
}

// begunBefore returns the uploads that began before a time. S3 tells both in seconds: of two times in one second, neither is earlier.
func begunBefore(open []types.MultipartUpload, t time.Time) []types.MultipartUpload {
	return slices.DeleteFunc(open, func(o types.MultipartUpload) bool {
		return o.Initiated == nil || !o.Initiated.Truncate(time.Second).Before(t)
	})
}

func (f *FS) abortOurs(ctx context.Context, open []types.MultipartUpload, err error) (aborted int) {
	for _, o := range open {
		m := multipart{aws.ToString(o.Key), aws.ToString(o.UploadId)}
		if f.client.uploads.owner(m.id) != nil {
			continue
		}
		var parts []types.Part
		if parts, err = f.listParts(ctx, m.key, m.id); err == nil && f.ours(parts) {
			f.abortUploadWhile(ctx, m)
			aborted++
		}
	}
	if err != nil && !isNoSuchUpload(err) {
		f.log.WarnContext(ctx, "broken uploads of deleted files may be left", "bucket", f.bucket, "err", err)
	}
	return aborted
}

// mostCleanUps bounds the clean-ups that go on after replies. Beyond that, an operation waits for its own.
const mostCleanUps = 64

// closeWait is how long Close waits for the clean-ups that go on, before it breaks them off.
const closeWait = 5 * time.Second

// A cleanUp is work that a reply does not wait for, as the operation is complete without it.
type cleanUp struct{ stop context.CancelFunc }

// cleanUp aborts uploads to a key, or to the keys below a directory, after the operation that was asked for has been done. Questions about broken
// uploads to the key wait for it, and so does Client.Close.
func (f *FS) cleanUp(ctx context.Context, key string, abort func(context.Context)) {
	if !f.tryCleanUp(ctx, key, abort) {
		abort(ctx)
	}
}

// tryCleanUp is cleanUp unless too many clean-ups go on already, which it reports.
func (f *FS) tryCleanUp(ctx context.Context, key string, abort func(context.Context)) (begun bool) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), longestCleanUp)
	c := &cleanUp{stop}
	if !f.client.leftovers.begin(c) {
		stop()
		return false
	}
	end := f.client.uploads.cleansUp(f.place(key))
	go func() {
		defer f.client.leftovers.end(c)
		defer end()
		var err error
		defer func() {
			if err != nil {
				f.log.ErrorContext(ctx, "cannot clean up", "key", key, "err", err)
			}
		}()
		defer recovered(&err)
		abort(ctx)
	}()
	return true
}

// longestCleanUp is how long a clean-up may take.
const longestCleanUp = 10 * time.Minute

// begin notes a clean-up, and reports whether it may go on by itself.
func (e *leftovers) begin(c *cleanUp) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.running) >= mostCleanUps {
		return false
	}
	if e.running == nil {
		e.running = make(map[*cleanUp]bool)
	}
	e.running[c] = true
	e.done.Add(1)
	return true
}

// end notes that a clean-up is done.
func (e *leftovers) end(c *cleanUp) {
	c.stop()
	e.mu.Lock()
	delete(e.running, c)
	e.mu.Unlock()
	e.done.Done()
}

// breakOff ends the clean-ups that go on.
func (e *leftovers) breakOff() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.running {
		c.stop()
	}
}

// sendAbort is the only AbortMultipartUpload. An upload that is not there has ended.
func (f *FS) sendAbort(ctx context.Context, m multipart) (err error) {
	defer recovered(&err)
	ctx, cancel := context.WithTimeout(ctx, cleanup)
	defer cancel()
	out, err := f.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &f.bucket, Key: &m.key, UploadId: &m.id})
	if errors.Is(err, errUnconfirmed) || err == nil && !answeredWith(out.ResultMetadata, http.StatusNoContent) {
		if _, err = f.listParts(ctx, m.key, m.id); err == nil {
			err = errUnconfirmed // a proxy may have answered, see delete
		}
	}
	if isNoSuchUpload(err) {
		return nil
	}
	return err
}

// How long to wait before S3 is asked again to end multipart uploads, at first and at most, and for how long it is asked.
const (
	firstPause = time.Second
	mostPause  = time.Minute
	patientFor = 24 * time.Hour
)

// leftovers are multipart uploads that S3 was asked to end when it did not answer. It is asked again until it does.
type leftovers struct {
	mu     sync.Mutex
	queue  []leftover
	busy   bool // a goroutine works at the queue
	closed bool
	stop   context.CancelFunc
	done   sync.WaitGroup

	running map[*cleanUp]bool
}

type leftover struct {
	fs *FS
	multipart
	left  *lease // with which the upload was left open; nil = it is ended whatever its lease is
	since time.Time
}

// abortUpload gives up a multipart upload of which no part is on its way any more, and what S3 holds of it. If S3 does not
// answer, that is done as soon as it does.
func (f *FS) abortUpload(ctx context.Context, m multipart) {
	f.abortUploadWhile(context.WithoutCancel(ctx), m)
}

// abortUploadWhile is abortUpload that gives up when ctx ends.
func (f *FS) abortUploadWhile(ctx context.Context, m multipart) {
	leftover{fs: f, multipart: m, since: time.Now()}.abort(ctx)
}

// abortUnlessResumed is abortUploadWhile for an upload that this process has left open with a lease, unless another process has
// resumed it.
func (f *FS) abortUnlessResumed(ctx context.Context, m multipart, last lease) {
	leftover{f, m, &last, time.Now()}.abort(ctx)
}

// abort aborts the upload, or has it aborted later if S3 does not answer.
func (l leftover) abort(ctx context.Context) {
	err := l.abortNow(s3http.WithBrief(ctx))
	log := l.fs.log.With("key", l.key, "upload", l.id)
	switch {
	case err == nil:
	case errors.Is(err, errTaken):
		log.InfoContext(ctx, "a broken upload is kept, as another session has resumed it")
	default:
		log.WarnContext(ctx, "an incomplete multipart upload is left behind", "err", err)
		if unanswered(err) {
			l.fs.client.leftovers.add(ctx, l)
		}
	}
}

// abortNow aborts the upload. One that was left open is aborted only while it has the lease that it was left with: a session
// that resumes the upload overwrites that lease first, in whichever process it runs.
//
// AbortMultipartUpload takes no condition. So a short window remains: a session of another process that resumes the
// upload between ListParts and the abort loses it, and its next request fails with NoSuchUpload.
func (l leftover) abortNow(ctx context.Context) error {
	if l.left != nil {
		ctx, cancel := context.WithTimeout(ctx, cleanup)
		defer cancel()
		parts, err := l.fs.listParts(ctx, l.key, l.id)
		switch is, _ := l.fs.splitLease(parts); {
		case isNoSuchUpload(err):
			return nil
		case err != nil:
			return err
		case len(parts) > 0 && !l.left.is(is): // without any, S3 has lost them, and no session can go on with the upload
			return errTaken
		}
	}
	return l.fs.sendAbort(ctx, l.multipart)
}

// add has a multipart upload ended later.
func (e *leftovers) add(ctx context.Context, what leftover) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.queue) >= mostLeft {
		return
	}
	e.queue = append(e.queue, what)
	if e.busy {
		return
	}
	e.busy = true
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.done.Go(func() { e.run(ctx) })
}

// run works at the queue until it is empty.
func (e *leftovers) run(ctx context.Context) {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		for e.endFirst(ctx) {
			pause = firstPause
		}
		if e.rest() {
			return
		}
	}
}

// endFirst tries to end the first of the queue, and reports whether it is out of the queue and there is another.
func (e *leftovers) endFirst(ctx context.Context) bool {
	e.mu.Lock()
	first := e.queue[0]
	e.mu.Unlock()
	err := first.abortNow(ctx)
	if err != nil && !errors.Is(err, errTaken) && unanswered(err) && time.Since(first.since) < patientFor {
		return false
	}
	first.report(err)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = e.queue[1:]
	return len(e.queue) > 0
}

// report logs what became of a multipart upload that was left behind.
func (l leftover) report(err error) {
	log := l.fs.log.With("key", l.key, "upload", l.id)
	switch {
	case err == nil:
		log.Info("ended an incomplete multipart upload that was left behind")
	case errors.Is(err, errTaken):
		log.Info("a broken upload is kept, as another session has resumed it")
	default:
		log.Warn("giving up an incomplete multipart upload, which stays in the bucket", "since", l.since, "err", err)
	}
}

// rest ends the work if there is none left.
func (e *leftovers) rest() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy = len(e.queue) > 0
	return !e.busy
}

// close gives up what is still in the queue, and waits for the clean-ups that go on, but not for long.
func (e *leftovers) close() {
	e.mu.Lock()
	e.closed = true
	if e.stop != nil {
		e.stop()
	}
	e.mu.Unlock()
	timer := time.AfterFunc(closeWait, e.breakOff)
	defer timer.Stop()
	e.done.Wait()
}
