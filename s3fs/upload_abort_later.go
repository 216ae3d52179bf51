package s3fs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

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
