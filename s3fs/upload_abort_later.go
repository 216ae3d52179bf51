package s3fs

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

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

// abandon gives up a multipart upload of which no part is on its way any more, and what S3 holds of it. If S3 does not
// answer, that is done as soon as it does.
func (f *FS) abandon(ctx context.Context, m multipart) { f.abandonWhile(context.WithoutCancel(ctx), m) }

// abandonWhile is abandon until ctx ends.
func (f *FS) abandonWhile(ctx context.Context, m multipart) {
	leftover{fs: f, multipart: m, since: time.Now()}.abandon(ctx)
}

// abandonLeft is abandonWhile for an upload that this process has left open with a lease, unless another process has
// resumed it.
func (f *FS) abandonLeft(ctx context.Context, m multipart, last lease) {
	leftover{f, m, &last, time.Now()}.abandon(ctx)
}

// abandon ends the upload, or has it ended later if S3 does not answer.
func (l leftover) abandon(ctx context.Context) {
	err := l.end(s3http.WithBrief(ctx))
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

// end aborts the upload. One that was left open is aborted only while it has the lease that it was left with: a session
// that resumes the upload overwrites that lease first, in whichever process it runs.
//
// AbortMultipartUpload takes no condition. So a short window remains: a session of another process that resumes the
// upload between ListParts and the abort loses it, and its next request fails with NoSuchUpload.
func (l leftover) end(ctx context.Context) error {
	if l.left != nil {
		ctx, cancel := context.WithTimeout(ctx, cleanup)
		defer cancel()
		parts, err := l.fs.listParts(ctx, l.key, l.id)
		switch is, _ := l.fs.splitLease(parts); {
		case gone(err):
			return nil
		case err != nil:
			return err
		case len(parts) > 0 && !l.left.is(is): // without any, S3 has lost them, and no session can go on with the upload
			return errTaken
		}
	}
	return l.fs.end(ctx, l.multipart)
}

// end ends a multipart upload; one that is not there has ended.
func (f *FS) end(ctx context.Context, m multipart) (err error) {
	defer recovered(&err)
	ctx, cancel := context.WithTimeout(ctx, cleanup)
	defer cancel()
	out, err := f.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &f.bucket, Key: &m.key, UploadId: &m.id})
	if errors.Is(err, errUnconfirmed) || err == nil && !answeredWith(out.ResultMetadata, http.StatusNoContent) {
		if _, err = f.listParts(ctx, m.key, m.id); err == nil {
			err = errUnconfirmed // a proxy may have answered, see delete
		}
	}
	if gone(err) {
		return nil
	}
	return err
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
	err := first.end(ctx)
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
