package s3fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Put makes the runs of src the content of the file. When it returns nil, S3 has confirmed the object.
//
// After an error of src or of S3 the file is as it was before, except in the last case below. If no memory becomes free
// within Options.Stall, the error is syscall.ENOBUFS. If the upload is larger than the parts that the memory budget
// allows, it is syscall.EFBIG.
//
// A Put that fails after at least 5 MiB can be resumed for Options.Resume: its multipart upload stays open, and any
// process with access to the bucket can resume it by a Put that begins with a copy. Stat and the errors of Put tell
// how long that copy must be. After an error of src that is proxy.ErrDiscard, the upload is aborted. A shorter copy,
// or one to the end, keeps a prefix of the object instead. A copy with a length that does not fit is syscall.ESPIPE, with
// the right length in a proxy.OffsetError.
//
// Copies may stand between new bytes, in any order. S3 copies the ranges itself; only up to 5 MiB at each end of a
// range are read and sent again, or all of it once a part was sent with a checksum, because copied parts have none. A
// longer range is proxy.ErrNoCopy where S3 cannot copy parts, or where parts must be of one size. Such an upload cannot be
// resumed.
//
// An upload waits to publish while another operation of this process changes the name; after Config.Timeout it is
// syscall.EBUSY. So is an upload that another session has resumed, or that had its base changed meanwhile.
//
// If ctx ends before src does, nothing is published. If it ends later, S3 has half a minute to confirm the object;
// after that, the object may be published or not.
func (f *FS) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	key, err := f.fileKey(name)
	if err != nil {
		return proxy.Stored{}, wrap("put", name, err)
	}
	result, err := f.put(ctx, key, src, w)
	if err == nil && result.timeUnset {
		result.Stored = f.setTimeOfUpload(ctx, result.Stored, src.Attributes().ModTime)
	}
	return result.Stored, wrap("put", name, err)
}

func (f *FS) put(ctx context.Context, key string, src proxy.Source, w proxy.Write) (putResult, error) {
	if err := context.Cause(ctx); err != nil {
		return putResult{}, err
	}
	if w.New && w.Early {
		if err := f.checkFree(ctx, key); err != nil {
			return putResult{}, err
		}
	}
	r := &sourceReader{ctx: ctx, src: src}
	first, err := r.firstCopy()
	if err != nil {
		return putResult{}, err
	}
	u, err := f.prepare(ctx, key, w, first)
	if err != nil {
		return putResult{}, err
	}
	defer u.close()
	if u.resuming.resumed {
		r.takeCopy() // the resumed upload has its bytes
	}
	u.publishing.commit, u.publishing.attributes = sync.OnceValue(src.Commit), src.Attributes
	err = u.receiveAndPublish(r)
	return u.publishing.result, err
}

// checkFree returns fs.ErrExist if an object exists. Where S3 refuses to tell, the condition of the upload decides.
func (f *FS) checkFree(ctx context.Context, key string) error {
	switch _, err := f.head(ctx, key); {
	case err == nil:
		return fmt.Errorf("%q: %w", key, fs.ErrExist)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil
	default:
		return err
	}
}

// prepare prepares an upload from its first run, which is nil if it has new bytes.
func (f *FS) prepare(ctx context.Context, key string, w proxy.Write, first *proxy.Copy) (u *upload, err error) {
	own := first != nil && first.From == ""
	if !own && w.Base == "" && !w.New {
		return f.newUpload(ctx, key, w, 0)
	}
	ctx, watch := f.watch(ctx, key)
	if own {
		w.Base = cmp.Or(w.Base, first.ETag)
	}
	switch {
	case own && first.Offset == 0 && first.ETag == "":
		u, err = f.resumeOrAppend(ctx, key, w, keepLength(first.Length))
	case own || w.Base != "":
		u, err = f.replaceKeepingRanges(ctx, key, w)
	default:
		u, err = f.newUpload(ctx, key, w, 0)
	}
	if err != nil {
		watch.stop()
		return nil, err
	}
	u.publishing.watch = watch
	return u, nil
}

// receiveAndPublish receives the content and publishes it. Content of up to one part is sent in one request. Of
// longer content, each part is sent while the next one is received.
func (u *upload) receiveAndPublish(r *sourceReader) error {
	p, err := u.receive(u.newPart(), r)
	if p != nil {
		p.seal()
	}
	u.markFinishing()
	switch {
	case err == errUnchanged:
		u.publishing.result.setUnchanged(u.publishing.base.head)
		u.publishing.result.timeUnset = !u.publishing.attributes().ModTime.IsZero()
		return u.publishing.commit()
	case err == io.EOF && !u.isMultipart():
		return u.putSingle(p)
	case err == io.EOF:
		return u.finishMultipart(p)
	}
	u.resuming.unsent = p
	return u.suspendOrAbort(err)
}

// An upload is one Put in progress. It belongs to the goroutine that reads the content; senders of parts report to
// that goroutine.
type upload struct {
	fs   *FS
	key  string
	ctx  context.Context
	fail context.CancelCauseFunc // ends ctx

	receiving  receiving
	sending    sending
	publishing publishing
	resuming   resuming
}

// newUpload prepares an upload with its parts planned for w.Size new bytes after kept old ones.
func (f *FS) newUpload(ctx context.Context, key string, w proxy.Write, kept int64) (*upload, error) {
	size := w.Size
	if size > 0 {
		size += kept
	}
	plan := f.planParts(size)
	if size > 0 && size > plan.capacity() {
		return nil, fmt.Errorf("%d bytes announced, at most %d possible: %w", size, plan.capacity(), syscall.EFBIG)
	}
	u := &upload{
		fs: f, key: key,
		receiving: receiving{plan: plan, algorithm: f.client.algorithm()},
		sending:   sending{results: make(chan partResult, maxInFlight), concurrency: newConcurrency()},
		publishing: publishing{
			mustBeNew: w.New, lock: nameLock{client: f.client}, result: putResult{Stored: f.storedAt(key)},
			commit:     func() error { return nil },
			attributes: func() proxy.Attributes { return proxy.Attributes{} },
		},
		resuming: resuming{
			owner:     ownership{bucketKey: f.bucketKey(key)},
			started:   w.Started,
			resumable: f.resume > 0 && f.client.features.supports(highPartNumbers, ""),
		},
	}
	u.publishing.lock.add(f.bucket, key)
	u.publishing.lock.check = u.checkCondition
	u.ctx, u.fail = context.WithCancelCause(ctx)
	u.sending.ctx, u.sending.cancel = withGrace(u.ctx, cancelGrace)
	return u, nil
}

// close releases the resources of the upload, and cancels its requests.
func (u *upload) close() {
	u.fail(nil)
	u.receiving.kept.close()
	u.sending.cancel()
	u.resuming.awaitLease()
	u.fs.client.uploads.unregister(u.sending.id, &u.resuming.owner)
	u.publishing.watch.stop()
	if u.resuming.endFinishing != nil {
		u.resuming.endFinishing()
	}
}

// receiving is the state of an upload that is needed until all of the content has been received.
type receiving struct {
	plan        partPlan          // the sizes of the parts to come
	algorithm   algorithm         // of the checksum that is computed while the content arrives
	peeked      []byte            // bytes read by peek, which belong to the next part
	kept        rangeReader       // of the short ranges of copies
	copySources map[string]object // of copies, other than the base, by key
}

// errUnchanged says that the new content is exactly the content of the base.
var errUnchanged = errors.New("the content is unchanged")

// receive receives the content into p and further parts. It sends each full part once more content follows, and
// returns the last part with io.EOF. With another error it returns the part that was not sent, if any.
func (u *upload) receive(p *part, r *sourceReader) (*part, error) {
	next := u.peek(r) // before memory is claimed: 150 must not wait for it
	for {
		switch next {
		case nil:
			if next = u.fillPart(p, r); next != errFull {
				continue
			}
			if next = u.peek(r); next == nil {
				if p, next = u.nextPart(p); next != nil {
					return nil, next
				}
			}
		case errCopyNext:
			if p, next = u.receiveCopy(p, r); p == nil {
				return nil, next
			}
		default: // including io.EOF
			return p, next
		}
	}
}

// receiveCopy adds the next copy to the content after part p. It returns the part to continue with, and the result of
// peeking behind the copy. It peeks before it sends a request, so that the client's 150 need not wait for S3.
func (u *upload) receiveCopy(p *part, r *sourceReader) (*part, error) {
	c, err := u.resolveCopy(r.takeCopy())
	if err != nil {
		return p, err
	}
	next := u.peek(r)
	switch empty := p.size == 0 && len(u.sending.parts) == 0 && u.sending.pendingCopy == nil; {
	case next == io.EOF && empty && c.base && u.publishing.base != nil && c.bytes == c.size:
		return p, errUnchanged
	case next != nil && next != errCopyNext && next != io.EOF:
		return p, next
	}
	if p, err = u.appendRange(p, c); err != nil {
		return p, err
	}
	return p, next
}

// nextPart sends a part and returns the next one, or nil after an error.
func (u *upload) nextPart(p *part) (*part, error) {
	if err := u.send(p); err != nil {
		return nil, err
	}
	if u.sending.uploadedParts() >= u.receiving.plan.maxParts {
		return nil, fmt.Errorf("more than %d bytes in %d parts: %w", u.sending.size, len(u.sending.parts), syscall.EFBIG)
	}
	return u.newPart(), nil
}

// uploadedParts returns how many parts were sent, not counting those that S3 copied.
func (s *sending) uploadedParts() int { return len(s.parts) - s.copiedParts }

// newPart returns an empty part that follows those sent so far.
func (u *upload) newPart() *part {
	i := u.sending.uploadedParts()
	target := u.receiving.plan.sizeOf(i, u.sending.size-u.sending.copiedSize)
	claim := u.fs.share.Claim(u.receiving.plan.minToSend(target), i == 0)
	return &part{claim: claim, target: target, algorithm: u.receiving.algorithm, hash: u.receiving.algorithm.hash(), onMinSize: u.resuming.releaseRetained}
}

// fillPart fills a part from the peeked bytes and from r.
func (u *upload) fillPart(p *part, r io.Reader) error {
	if p.size == p.target {
		return errFull // with copied bytes
	}
	if len(u.receiving.peeked) > 0 {
		space, err := p.space(u.ctx, u.fs.stall)
		if err != nil {
			return err
		}
		p.advance(space[:copy(space, u.receiving.peeked)])
		u.receiving.peeked = nil
	}
	return p.fill(u.ctx, r, u.fs.stall)
}

// peek reads one byte, to learn whether more content follows.
func (u *upload) peek(r io.Reader) error {
	if len(u.receiving.peeked) > 0 {
		return nil // the peeked byte found no memory yet
	}
	b := make([]byte, 1)
	for range 100 {
		n, err := r.Read(b)
		u.receiving.peeked = b[:n]
		if n > 0 && err == io.EOF {
			return nil // r will return io.EOF again
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// A sourceReader reads a source: Read returns new bytes, and errCopyNext before each copy, which takeCopy returns.
type sourceReader struct {
	ctx      context.Context
	src      proxy.Source
	newBytes io.Reader   // the current run, if it has new bytes
	copy     *proxy.Copy // the current run, if it is a copy
	err      error       // of the source; io.EOF after the last run
}

// errCopyNext says that the next run is a copy.
var errCopyNext = errors.New("the next run is a copy")

// firstCopy returns the first run if it is a copy, otherwise nil. Read and takeCopy return the run again.
func (r *sourceReader) firstCopy() (*proxy.Copy, error) {
	for r.newBytes == nil && r.copy == nil && r.err == nil {
		r.nextRun()
	}
	if r.err == io.EOF {
		return nil, nil
	}
	return r.copy, r.err
}

// Read implements io.Reader. It returns io.EOF after the last run.
func (r *sourceReader) Read(p []byte) (int, error) {
	for {
		switch {
		case r.err != nil:
			return 0, r.err
		case r.copy != nil:
			return 0, errCopyNext
		case r.newBytes == nil:
			r.nextRun()
			continue
		}
		n, err := r.newBytes.Read(p)
		if err == io.EOF {
			r.newBytes, err = nil, nil
			if n == 0 {
				continue
			}
		}
		r.err = err
		return n, err
	}
}

// takeCopy returns the copy at which Read has stopped. Read continues with the run after it.
func (r *sourceReader) takeCopy() *proxy.Copy {
	c := r.copy
	r.copy = nil
	return c
}

// nextRun fetches the next run. It skips copies of no bytes.
func (r *sourceReader) nextRun() {
	run, err := r.src.Next(r.ctx)
	if err != nil {
		r.err = err
		return
	}
	if r.newBytes = run.New; run.Copy != nil && run.Copy.Length != 0 {
		r.copy = run.Copy
	}
}
