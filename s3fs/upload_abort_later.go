package s3fs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

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

// closeWait is how long Close waits for running clean-ups before it cancels them.
const closeWait = 5 * time.Second

// maxCleanUps limits the clean-ups that run after replies. Beyond it, an operation waits for its own clean-up.
const maxCleanUps = 64

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
