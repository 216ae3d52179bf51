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

// abortSuperseded aborts the broken uploads to a key that this process has left open, except one, after something else was
// stored under the key. They would be back once that is gone: SIZE would tell where they stand, and a client would
// resume another content. An upload that another process has resumed since goes on.
//
// The reply does not wait for it, see cleanUp.
func (f *FS) abortSuperseded(ctx context.Context, key, except string) {
	left := f.client.uploads.takeSuspended(f.bucketKey(key))
	delete(left, except)
	if len(left) > 0 {
		f.cleanUp(ctx, key, func(ctx context.Context) {
			for id, last := range left {
				if f.client.uploads.ownerOf(id) == nil {
					f.abortUnlessResumed(ctx, multipartUpload{key, id}, last)
				}
			}
		})
	}
}

// abortUploadsTo aborts our uploads to a key after its object was deleted, from whichever process they are, and returns how many there were. On
// AWS, an upload that began before a deletion completes without anybody ever seeing the object.
//
// An upload that this process is running goes on, and is verified when it is complete. left are the uploads that this process has left open
// before, open all that S3 lists, or the error of listing them.
func (f *FS) abortUploadsTo(ctx context.Context, key string, left suspendedUploads, open []types.MultipartUpload, err error) int {
	var aborted []string
	for id := range left {
		if f.client.uploads.ownerOf(id) == nil {
			f.abortUploadWithin(ctx, multipartUpload{key, id})
			aborted = append(aborted, id)
		}
	}
	open = slices.DeleteFunc(open, func(o types.MultipartUpload) bool { return slices.Contains(aborted, aws.ToString(o.UploadId)) })
	return len(aborted) + f.abortOurs(ctx, open, err)
}

// An openLister lists multipart uploads that are open.
type openLister func(context.Context) ([]types.MultipartUpload, error)

// abortAfterDelete begins to list the uploads to a key whose object is being deleted. The caller calls the function that it returns with whether
// the object was deleted. Then the uploads are aborted; the reply does not wait for it. An upload that begins after the reply is kept.
func (f *FS) abortAfterDelete(ctx context.Context, key string) (end func(deleted bool)) {
	left := f.client.uploads.takeSuspended(f.bucketKey(key))
	list := func(ctx context.Context) ([]types.MultipartUpload, error) { return f.listUploadsTo(ctx, key) }
	after := f.abortListedAfter(ctx, key, list, func(ctx context.Context, open []types.MultipartUpload, err error) {
		f.abortUploadsTo(ctx, key, left, open, err)
	})
	return func(deleted bool) {
		if !deleted {
			f.client.uploads.restoreSuspended(f.bucketKey(key), left)
		}
		after(deleted)
	}
}

// abortAfterDirDelete is abortOpenAfter for the keys below a directory whose objects are being deleted.
func (f *FS) abortAfterDirDelete(ctx context.Context, dir string) (end func(deleted bool)) {
	list := func(ctx context.Context) ([]types.MultipartUpload, error) { return f.listUploads(ctx, dir) }
	return f.abortListedAfter(ctx, dir, list, func(ctx context.Context, open []types.MultipartUpload, err error) { f.abortOurs(ctx, open, err) })
}

// abortListedAfter lists uploads while objects are deleted, and calls abort after the deletion. Usually S3 has listed them before the deletion is
// over. If not, some may have begun after the reply: then only those are aborted that began before the deletion by S3's own clock.
func (f *FS) abortListedAfter(
	ctx context.Context, key string, list openLister, abort func(context.Context, []types.MultipartUpload, error),
) (end func(deleted bool)) {
	before := f.client.clock.time()
	deleted := make(chan bool, 1)
	begun := f.tryCleanUp(ctx, key, func(ctx context.Context) {
		open, err := list(ctx)
		if len(deleted) > 0 { // the reply may have been sent already
			open = initiatedBefore(open, before)
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

// initiatedBefore returns the uploads that began before a time. S3 tells both in seconds: of two times in one second, neither is earlier.
func initiatedBefore(open []types.MultipartUpload, t time.Time) []types.MultipartUpload {
	return slices.DeleteFunc(open, func(o types.MultipartUpload) bool {
		return o.Initiated == nil || !o.Initiated.Truncate(time.Second).Before(t)
	})
}

func (f *FS) abortOurs(ctx context.Context, open []types.MultipartUpload, err error) (aborted int) {
	for _, o := range open {
		m := multipartUpload{aws.ToString(o.Key), aws.ToString(o.UploadId)}
		if f.client.uploads.ownerOf(m.id) != nil {
			continue
		}
		var parts []types.Part
		if parts, err = f.listParts(ctx, m.key, m.id); err == nil && f.isOurs(parts) {
			f.abortUploadWithin(ctx, m)
			aborted++
		}
	}
	if err != nil && !isNoSuchUpload(err) {
		f.log.WarnContext(ctx, "broken uploads of deleted files may be left", "bucket", f.bucket, "err", err)
	}
	return aborted
}

// maxCleanUps bounds the clean-ups that go on after replies. Beyond that, an operation waits for its own.
const maxCleanUps = 64

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
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	c := &cleanUp{stop}
	if !f.client.background.startCleanUp(c) {
		stop()
		return false
	}
	end := f.client.uploads.startCleanUp(f.bucketKey(key))
	go func() {
		defer f.client.background.endCleanUp(c)
		defer end()
		var err error
		defer func() {
			if err != nil {
				f.log.ErrorContext(ctx, "cannot clean up", "key", key, "err", err)
			}
		}()
		defer recoverPanic(&err)
		abort(ctx)
	}()
	return true
}

// cleanUpTimeout is how long a clean-up may take.
const cleanUpTimeout = 10 * time.Minute

// startCleanUp notes a clean-up, and reports whether it may go on by itself.
func (e *background) startCleanUp(c *cleanUp) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.cleanUps) >= maxCleanUps {
		return false
	}
	if e.cleanUps == nil {
		e.cleanUps = make(map[*cleanUp]bool)
	}
	e.cleanUps[c] = true
	e.done.Add(1)
	return true
}

// endCleanUp notes that a clean-up is done.
func (e *background) endCleanUp(c *cleanUp) {
	c.stop()
	e.mu.Lock()
	delete(e.cleanUps, c)
	e.mu.Unlock()
	e.done.Done()
}

// cancelCleanUps ends the clean-ups that go on.
func (e *background) cancelCleanUps() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.cleanUps {
		c.stop()
	}
}

// sendAbort is the only AbortMultipartUpload. An upload that is not there has ended.
func (f *FS) sendAbort(ctx context.Context, m multipartUpload) (err error) {
	defer recoverPanic(&err)
	ctx, cancel := context.WithTimeout(ctx, cancelGrace)
	defer cancel()
	out, err := f.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &f.bucket, Key: &m.key, UploadId: &m.id})
	if errors.Is(err, errUnconfirmed) || err == nil && !hasStatus(out.ResultMetadata, http.StatusNoContent) {
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
	minAbortPause = time.Second
	maxAbortPause = time.Minute
	abortFor      = 24 * time.Hour
)

// background are multipart uploads that S3 was asked to end when it did not answer. It is asked again until it does.
type background struct {
	mu      sync.Mutex
	aborts  []queuedAbort
	running bool // a goroutine works at the queue
	closed  bool
	stop    context.CancelFunc
	done    sync.WaitGroup

	cleanUps map[*cleanUp]bool
}

type queuedAbort struct {
	fs *FS
	multipartUpload
	onlyWith *lease // with which the upload was left open; nil = it is ended whatever its lease is
	since    time.Time
}

// abortUpload gives up a multipart upload of which no part is on its way any more, and what S3 holds of it. If S3 does not
// answer, that is done as soon as it does.
func (f *FS) abortUpload(ctx context.Context, m multipartUpload) {
	f.abortUploadWithin(context.WithoutCancel(ctx), m)
}

// abortUploadWithin is abortUpload that gives up when ctx ends.
func (f *FS) abortUploadWithin(ctx context.Context, m multipartUpload) {
	queuedAbort{fs: f, multipartUpload: m, since: time.Now()}.abort(ctx)
}

// abortUnlessResumed is abortUploadWhile for an upload that this process has left open with a lease, unless another process has
// resumed it.
func (f *FS) abortUnlessResumed(ctx context.Context, m multipartUpload, last lease) {
	queuedAbort{f, m, &last, time.Now()}.abort(ctx)
}

// abort aborts the upload, or has it aborted later if S3 does not answer.
func (l queuedAbort) abort(ctx context.Context) {
	err := l.abortNow(s3http.WithBrief(ctx))
	log := l.fs.log.With("key", l.key, "upload", l.id)
	switch {
	case err == nil:
	case errors.Is(err, errTakenOver):
		log.InfoContext(ctx, "a broken upload is kept, as another session has resumed it")
	default:
		log.WarnContext(ctx, "an incomplete multipart upload is left behind", "err", err)
		if unanswered(err) {
			l.fs.client.background.queueAbort(ctx, l)
		}
	}
}

// abortNow aborts the upload. One that was left open is aborted only while it has the lease that it was left with: a session
// that resumes the upload overwrites that lease first, in whichever process it runs.
//
// AbortMultipartUpload takes no condition. So a short window remains: a session of another process that resumes the
// upload between ListParts and the abort loses it, and its next request fails with NoSuchUpload.
func (l queuedAbort) abortNow(ctx context.Context) error {
	if l.onlyWith != nil {
		ctx, cancel := context.WithTimeout(ctx, cancelGrace)
		defer cancel()
		parts, err := l.fs.listParts(ctx, l.key, l.id)
		switch is, _ := l.fs.splitLease(parts); {
		case isNoSuchUpload(err):
			return nil
		case err != nil:
			return err
		case len(parts) > 0 && !l.onlyWith.matches(is): // without any, S3 has lost them, and no session can go on with the upload
			return errTakenOver
		}
	}
	return l.fs.sendAbort(ctx, l.multipartUpload)
}

// queueAbort has a multipart upload ended later.
func (e *background) queueAbort(ctx context.Context, what queuedAbort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.aborts) >= maxSuspended {
		return
	}
	e.aborts = append(e.aborts, what)
	if e.running {
		return
	}
	e.running = true
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.done.Go(func() { e.runAborts(ctx) })
}

// runAborts works at the queue until it is empty.
func (e *background) runAborts(ctx context.Context) {
	for pause := minAbortPause; ; pause = min(2*pause, maxAbortPause) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		for e.abortFirst(ctx) {
			pause = minAbortPause
		}
		if e.stopIfEmpty() {
			return
		}
	}
}

// abortFirst tries to end the first of the queue, and reports whether it is out of the queue and there is another.
func (e *background) abortFirst(ctx context.Context) bool {
	e.mu.Lock()
	first := e.aborts[0]
	e.mu.Unlock()
	err := first.abortNow(ctx)
	if err != nil && !errors.Is(err, errTakenOver) && unanswered(err) && time.Since(first.since) < abortFor {
		return false
	}
	first.report(err)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.aborts = e.aborts[1:]
	return len(e.aborts) > 0
}

// report logs what became of a multipart upload that was left behind.
func (l queuedAbort) report(err error) {
	log := l.fs.log.With("key", l.key, "upload", l.id)
	switch {
	case err == nil:
		log.Info("ended an incomplete multipart upload that was left behind")
	case errors.Is(err, errTakenOver):
		log.Info("a broken upload is kept, as another session has resumed it")
	default:
		log.Warn("giving up an incomplete multipart upload, which stays in the bucket", "since", l.since, "err", err)
	}
}

// stopIfEmpty ends the work if there is none left.
func (e *background) stopIfEmpty() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = len(e.aborts) > 0
	return !e.running
}

// close gives up what is still in the queue, and waits for the clean-ups that go on, but not for long.
func (e *background) close() {
	e.mu.Lock()
	e.closed = true
	if e.stop != nil {
		e.stop()
	}
	e.mu.Unlock()
	timer := time.AfterFunc(closeWait, e.cancelCleanUps)
	defer timer.Stop()
	e.done.Wait()
}
