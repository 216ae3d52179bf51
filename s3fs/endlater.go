package s3fs

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
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
}

type leftover struct {
	fs *FS
	multipart
	since time.Time
}

// abandon gives up a multipart upload of which no part is on its way any more, and what S3 holds of it. If S3 does not
// answer, that is done as soon as it does.
func (f *FS) abandon(ctx context.Context, m multipart) {
	err := f.end(context.WithoutCancel(ctx), m)
	if err == nil {
		return
	}
	f.log.Warn("an incomplete multipart upload is left behind", "key", m.key, "upload", m.id, "err", err)
	if unanswered(err) {
		f.client.leftovers.add(ctx, leftover{f, m, time.Now()})
	}
}

// end ends a multipart upload; one that is not there has ended.
func (f *FS) end(ctx context.Context, m multipart) error {
	ctx, cancel := context.WithTimeout(ctx, cleanup)
	defer cancel()
	_, err := f.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &f.bucket, Key: &m.key, UploadId: &m.id})
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
	err := first.fs.end(ctx, first.multipart)
	if err != nil && unanswered(err) && time.Since(first.since) < patientFor {
		return false
	}
	first.fs.log.Info("ending an incomplete multipart upload that was left behind", "key", first.key, "upload", first.id, "err", err)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = e.queue[1:]
	return len(e.queue) > 0
}

// rest ends the work if there is none left.
func (e *leftovers) rest() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy = len(e.queue) > 0
	return !e.busy
}

// close gives up what is still in the queue.
func (e *leftovers) close() {
	e.mu.Lock()
	e.closed = true
	if e.stop != nil {
		e.stop()
	}
	e.mu.Unlock()
	e.done.Wait()
}
