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

// abortSuperseded aborts the suspended uploads of this process to a key, except one, after something else was stored
// under the key. Otherwise they would show again once that is deleted: SIZE would tell their size, and a client would
// resume other content. An upload that another process has resumed is left alone.
//
// The reply does not wait for the aborts, see cleanUp.
func (f *FS) abortSuperseded(ctx context.Context, key, except string) {
	suspended := f.client.uploads.takeSuspended(f.bucketKey(key))
	delete(suspended, except)
	if len(suspended) > 0 {
		f.cleanUp(ctx, key, func(ctx context.Context) {
			for id, last := range suspended {
				if f.client.uploads.ownerOf(id) == nil {
					f.abortUnlessResumed(ctx, multipartUpload{key, id}, last)
				}
			}
		})
	}
}

// abortUploadsTo aborts the uploads of s3fs to a key after its object was deleted, those of other processes too, and
// returns how many. On AWS, an upload that began before a deletion completes without ever showing its object.
//
// An upload that this process is running is left alone, and verified on completion. suspended are the uploads that
// this process had suspended before, open are all that S3 lists, err is the error of that listing.
func (f *FS) abortUploadsTo(ctx context.Context, key string, suspended suspendedUploads, open []types.MultipartUpload, err error) int {
	var aborted []string
	for id := range suspended {
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

// abortAfterDelete begins to list the uploads to a key whose object is being deleted. The caller must call end with
// whether the object was deleted. Then the uploads are aborted; the reply does not wait for it. Uploads that begin
// after the reply are left alone.
func (f *FS) abortAfterDelete(ctx context.Context, key string) (end func(deleted bool)) {
	suspended := f.client.uploads.takeSuspended(f.bucketKey(key))
	list := func(ctx context.Context) ([]types.MultipartUpload, error) { return f.listUploadsTo(ctx, key) }
	after := f.abortListedAfter(ctx, key, list, func(ctx context.Context, open []types.MultipartUpload, err error) {
		f.abortUploadsTo(ctx, key, suspended, open, err)
	})
	return func(deleted bool) {
		if !deleted {
			f.client.uploads.restoreSuspended(f.bucketKey(key), suspended)
		}
		after(deleted)
	}
}

// abortAfterDirDelete is abortAfterDelete for all keys in a directory while its objects are being deleted.
func (f *FS) abortAfterDirDelete(ctx context.Context, dir string) (end func(deleted bool)) {
	list := func(ctx context.Context) ([]types.MultipartUpload, error) { return f.listUploads(ctx, dir) }
	return f.abortListedAfter(ctx, dir, list, func(ctx context.Context, open []types.MultipartUpload, err error) { f.abortOurs(ctx, open, err) })
}

// abortListedAfter lists uploads while objects are being deleted, and calls abort after the deletion. If S3 answers
// the listing only after the deletion, some of the uploads may have begun after the reply; then only those are
// aborted that began before the deletion by S3's clock.
func (f *FS) abortListedAfter(
	ctx context.Context, key string, list openLister, abort func(context.Context, []types.MultipartUpload, error),
) (end func(deleted bool)) {
	before := f.client.clock.time()
	deleted := make(chan bool, 1)
	started := f.tryCleanUp(ctx, key, func(ctx context.Context) {
		open, err := list(ctx)
		if len(deleted) > 0 { // the reply may have been sent already
			open = initiatedBefore(open, before)
		}
		succeeded := false
		select {
		case succeeded = <-deleted:
		case <-ctx.Done():
		}
		if succeeded {
			abort(ctx, open, err)
		}
	})
	return func(succeeded bool) {
		deleted <- succeeded
		if succeeded && !started {
			open, err := list(ctx)
			abort(ctx, open, err)
		}
	}
}

// initiatedBefore returns the uploads that began before t. S3 tells both times in whole seconds; times of the same
// second count as equal.
func initiatedBefore(open []types.MultipartUpload, t time.Time) []types.MultipartUpload {
	return slices.DeleteFunc(open, func(o types.MultipartUpload) bool {
		return o.Initiated == nil || !o.Initiated.Truncate(time.Second).Before(t)
	})
}

// abortOurs aborts those of the listed uploads that belong to s3fs and that this process does not run. It logs err, the
// error of the listing.
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
		f.log.WarnContext(ctx, "uploads to deleted files may not be aborted", "bucket", f.bucket, "err", err)
	}
	return aborted
}

// maxCleanUps limits the clean-ups that run after replies. Beyond it, an operation waits for its own clean-up.
const maxCleanUps = 64

// closeWait is how long Close waits for running clean-ups before it cancels them.
const closeWait = 5 * time.Second

// A cleanUp is work that a reply does not wait for, because the operation is complete without it.
type cleanUp struct{ stop context.CancelFunc }

// cleanUp calls abort in the background. It is for aborting uploads to a key, or to the keys in a directory, after an
// operation. Lookups of resumable uploads to the key wait for it, and so does Client.Close.
func (f *FS) cleanUp(ctx context.Context, key string, abort func(context.Context)) {
	if !f.tryCleanUp(ctx, key, abort) {
		abort(ctx)
	}
}

// tryCleanUp is cleanUp, but does nothing if too many clean-ups are running. It reports whether it has started one.
func (f *FS) tryCleanUp(ctx context.Context, key string, abort func(context.Context)) (started bool) {
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
				f.log.ErrorContext(ctx, "clean-up failed", "key", key, "err", err)
			}
		}()
		defer recoverPanic(&err)
		abort(ctx)
	}()
	return true
}

// cleanUpTimeout limits a clean-up.
const cleanUpTimeout = 10 * time.Minute

// startCleanUp registers a clean-up, and reports whether it may run in the background.
func (b *background) startCleanUp(c *cleanUp) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.cleanUps) >= maxCleanUps {
		return false
	}
	if b.cleanUps == nil {
		b.cleanUps = make(map[*cleanUp]bool)
	}
	b.cleanUps[c] = true
	b.done.Add(1)
	return true
}

// endCleanUp unregisters a clean-up.
func (b *background) endCleanUp(c *cleanUp) {
	c.stop()
	b.mu.Lock()
	delete(b.cleanUps, c)
	b.mu.Unlock()
	b.done.Done()
}

// cancelCleanUps cancels the running clean-ups.
func (b *background) cancelCleanUps() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.cleanUps {
		c.stop()
	}
}

// sendAbort sends AbortMultipartUpload; no other function does. It is no error if the upload has ended already.
func (f *FS) sendAbort(ctx context.Context, m multipartUpload) (err error) {
	defer recoverPanic(&err)
	ctx, cancel := context.WithTimeout(ctx, cancelGrace)
	defer cancel()
	out, err := f.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &f.bucket, Key: &m.key, UploadId: &m.id})
	if errors.Is(err, errUnconfirmed) || err == nil && !hasStatus(out.ResultMetadata, http.StatusNoContent) {
		if _, err = f.listParts(ctx, m.key, m.id); err == nil {
			err = errUnconfirmed // the answer may be a proxy's, see delete
		}
	}
	if isNoSuchUpload(err) {
		return nil
	}
	return err
}

// How queued aborts are retried: the first and the longest pause, and for how long in all.
const (
	minAbortPause = time.Second
	maxAbortPause = time.Minute
	abortFor      = 24 * time.Hour
)

// background is the work that a client does apart from operations: running clean-ups, and aborts to retry because S3
// did not answer.
type background struct {
	mu      sync.Mutex
	aborts  []queuedAbort
	running bool // runAborts is running
	closed  bool
	stop    context.CancelFunc
	done    sync.WaitGroup

	cleanUps map[*cleanUp]bool
}

// A queuedAbort is a multipart upload to abort.
type queuedAbort struct {
	fs *FS
	multipartUpload
	onlyWith *lease // abort only while the upload has this lease; nil = in any case
	since    time.Time
}

// abortUpload aborts a multipart upload of which no part is in flight any more. If S3 does not answer, the abort is
// retried in the background.
func (f *FS) abortUpload(ctx context.Context, m multipartUpload) {
	f.abortUploadWithin(context.WithoutCancel(ctx), m)
}

// abortUploadWithin is abortUpload, but its first attempt ends with ctx.
func (f *FS) abortUploadWithin(ctx context.Context, m multipartUpload) {
	queuedAbort{fs: f, multipartUpload: m, since: time.Now()}.abort(ctx)
}

// abortUnlessResumed is abortUploadWithin for an upload that this process suspended with a lease. It leaves the
// upload alone if another process has resumed it.
func (f *FS) abortUnlessResumed(ctx context.Context, m multipartUpload, last lease) {
	queuedAbort{f, m, &last, time.Now()}.abort(ctx)
}

// abort aborts the upload. If S3 does not answer, it queues the abort.
func (a queuedAbort) abort(ctx context.Context) {
	err := a.abortNow(s3http.WithBrief(ctx))
	log := a.fs.log.With("key", a.key, "upload", a.id)
	switch {
	case err == nil:
	case errors.Is(err, errTakenOver):
		log.InfoContext(ctx, "upload not aborted, another session has resumed it")
	default:
		log.WarnContext(ctx, "multipart upload could not be aborted", "err", err)
		if isTransient(err) {
			a.fs.client.background.queueAbort(ctx, a)
		}
	}
}

// abortNow aborts the upload. A suspended upload is aborted only if it still has its lease: a session that resumes
// the upload overwrites the lease first, in any process.
//
// AbortMultipartUpload takes no condition. So a short window remains: if another process resumes the upload between
// ListParts and the abort, it loses the upload, and its next request fails with NoSuchUpload.
func (a queuedAbort) abortNow(ctx context.Context) error {
	if a.onlyWith != nil {
		ctx, cancel := context.WithTimeout(ctx, cancelGrace)
		defer cancel()
		parts, err := a.fs.listParts(ctx, a.key, a.id)
		switch is, _ := a.fs.splitLease(parts); {
		case isNoSuchUpload(err):
			return nil
		case err != nil:
			return err
		case len(parts) > 0 && !a.onlyWith.matches(is): // without parts, no session can resume it
			return errTakenOver
		}
	}
	return a.fs.sendAbort(ctx, a.multipartUpload)
}

// maxQueuedAborts limits the queue.
const maxQueuedAborts = 10_000

// queueAbort queues an abort to be retried. It drops the abort if the queue is full.
func (b *background) queueAbort(ctx context.Context, a queuedAbort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.aborts) >= maxQueuedAborts {
		return
	}
	b.aborts = append(b.aborts, a)
	if b.running {
		return
	}
	b.running = true
	ctx, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	b.done.Go(func() { b.runAborts(ctx) })
}

// runAborts retries the queued aborts until the queue is empty.
func (b *background) runAborts(ctx context.Context) {
	for pause := minAbortPause; ; pause = min(2*pause, maxAbortPause) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		for b.abortFirst(ctx) {
			pause = minAbortPause
		}
		if b.stopIfEmpty() {
			return
		}
	}
}

// abortFirst tries the first abort of the queue. It reports whether that has left the queue and another one follows.
func (b *background) abortFirst(ctx context.Context) bool {
	b.mu.Lock()
	first := b.aborts[0]
	b.mu.Unlock()
	err := first.abortNow(ctx)
	if err != nil && !errors.Is(err, errTakenOver) && isTransient(err) && time.Since(first.since) < abortFor {
		return false
	}
	first.report(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aborts = b.aborts[1:]
	return len(b.aborts) > 0
}

// report logs the end of a queued abort.
func (a queuedAbort) report(err error) {
	log := a.fs.log.With("key", a.key, "upload", a.id)
	switch {
	case err == nil:
		log.Info("aborted a multipart upload after retries")
	case errors.Is(err, errTakenOver):
		log.Info("upload not aborted, another session has resumed it")
	default:
		log.Warn("multipart upload stays in the bucket, giving up to abort it", "since", a.since, "err", err)
	}
}

// stopIfEmpty notes that runAborts ends, if the queue is empty.
func (b *background) stopIfEmpty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = len(b.aborts) > 0
	return !b.running
}

// close drops the queued aborts, and waits up to closeWait for running clean-ups.
func (b *background) close() {
	b.mu.Lock()
	b.closed = true
	if b.stop != nil {
		b.stop()
	}
	b.mu.Unlock()
	timer := time.AfterFunc(closeWait, b.cancelCleanUps)
	defer timer.Stop()
	b.done.Wait()
}
