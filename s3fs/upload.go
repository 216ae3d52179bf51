package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Put makes the runs of src the content of the file. When it returns nil, S3 has confirmed the whole.
//
// Errors of src are returned, and so are S3's; the file is then what it was before. An upload for which no
// memory comes free within Options.Stall is syscall.ENOBUFS, one longer than S3 takes in the parts that memory
// allows syscall.EFBIG.
//
// What S3 has received of a Put that fails is kept for Options.Resume, if that is at least 5 MiB: its multipart upload
// stays open, and whoever has access to the bucket can go on, with a copy of what is there, whose length Stat and the
// errors of Put tell. After an error of src that is proxy.ErrDiscard nothing is kept. A shorter copy, or one to the
// end, keeps that much of the object that is there. A length that does not fit is syscall.ESPIPE, and a proxy.OffsetError tells the one that
// does.
//
// Copies may come between new bytes, in any order. S3 copies them itself: only up to 5 MiB at each end of a range are read and sent
// again. Where S3 cannot copy parts, or those must be of one size, a longer range is errors.ErrUnsupported; so is one of another file
// behind so many new bytes that a part was sent with a checksum, which parts that are copied do not have. Such an upload is not kept
// when it fails.
//
// While another operation of this process changes the name, the upload waits to be published, and after Config.Timeout it is syscall.EBUSY. So is
// an upload that another session has resumed, and one that keeps some of an object which was changed meanwhile.
//
// When ctx ends before src does, nothing is published. When it ends afterwards, S3 has half a minute to confirm the object;
// without that it is not known whether it was published.
func (f *FS) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	key, err := f.fileKey(name)
	if err != nil {
		return proxy.Stored{}, wrap("put", name, err)
	}
	made, err := f.put(ctx, key, src, w)
	if err == nil && made.timeUnset {
		made.Stored = f.setTimeOfUpload(ctx, made.Stored, src.Attributes().ModTime)
	}
	return made.Stored, wrap("put", name, err)
}

func (f *FS) put(ctx context.Context, key string, src proxy.Source, w proxy.Write) (putResult, error) {
	if err := context.Cause(ctx); err != nil {
		return putResult{}, err
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
		r.takeCopy() // which is what was resumed
	}
	u.publishing.commit, u.publishing.attributes = sync.OnceValue(src.Commit), src.Attributes
	err = u.receiveAndPublish(r)
	return u.publishing.result, err
}

// prepare prepares an upload, according to what is there already if some of it is to be kept. First is its first run, nil if that is
// none of a copy.
func (f *FS) prepare(ctx context.Context, key string, w proxy.Write, first *proxy.Copy) (u *upload, err error) {
	own := first != nil && first.From == ""
	if !own && w.Base == "" && !w.New {
		return f.upload(ctx, key, w, 0)
	}
	ctx, watch := f.watch(ctx, key)
	switch {
	case own && first.Offset == 0:
		u, err = f.resumeOrAppend(ctx, key, w, keepLength(first.Length))
	case own || w.Base != "":
		u, err = f.replaceKeepingRanges(ctx, key, w)
	default:
		u, err = f.upload(ctx, key, w, 0)
	}
	if err != nil {
		watch.stop()
		return nil, err
	}
	u.publishing.watch = watch
	return u, nil
}

// receiveAndPublish receives the content. Up to one part is sent as a whole; of a longer one each part is sent while the next is
// received.
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

// An upload is one Put on its way. It belongs to the goroutine that reads the content; the senders of parts only
// report to it.
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

// upload prepares one that keeps so many bytes of what is there.
func (f *FS) upload(ctx context.Context, key string, w proxy.Write, kept int64) (*upload, error) {
	size := w.Size
	if size > 0 {
		size += kept
	}
	plan := f.planParts(size)
	if size > 0 && size > plan.capacity() {
		return nil, fmt.Errorf("%d bytes announced, %d possible: %w", size, plan.capacity(), syscall.EFBIG)
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
			resumable: f.resume > 0 && f.client.features.supports(highPartNumbers, ""),
		},
	}
	u.publishing.lock.add(f.bucket, key)
	u.publishing.lock.check = u.checkCondition
	u.ctx, u.fail = context.WithCancelCause(ctx)
	u.sending.ctx, u.sending.cancel = withGrace(u.ctx, cancelGrace)
	return u, nil
}

// close ends what may still be under way.
func (u *upload) close() {
	u.fail(nil)
	u.sending.cancel()
	u.resuming.awaitLease()
	u.fs.client.uploads.unregister(u.sending.id, &u.resuming.owner)
	u.publishing.watch.stop()
	if u.resuming.endFinishing != nil {
		u.resuming.endFinishing()
	}
}

// receiving is the part of an upload that ends when all of the content has been received.
type receiving struct {
	plan        partPlan          // the sizes of the parts to come
	algorithm   algorithm         // what is computed while the content arrives
	peeked      []byte            // read already, belongs into the next part
	copySources map[string]object // from which is copied besides the base, by key
}

// errUnchanged says that the content is the one that the file has already.
var errUnchanged = errors.New("the file stays as it is")

// receive receives the content, of which p is the first part. It sends each part that is full when more follows, and returns the last one
// with io.EOF. With another error it returns the part that was not sent, if there is one.
func (u *upload) receive(p *part, r *sourceReader) (*part, error) {
	next := u.peek(r) // before any memory: nobody has to wait for it to hear that an upload may begin
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
		default: // io.EOF too
			return p, next
		}
	}
}

// receiveCopy receives the copy that follows, behind part p, and returns the part that goes on, and what follows the copy. It looks at that
// before it does anything: a client is told that an upload may begin before the store asks S3 for what takes time.
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

// nextPart sends a part, as more follows, and begins the next one. After an error there is none.
func (u *upload) nextPart(p *part) (*part, error) {
	if err := u.send(p); err != nil {
		return nil, err
	}
	if u.sending.uploadedParts() >= u.receiving.plan.maxParts {
		return nil, fmt.Errorf("more than %d bytes in %d parts: %w", u.sending.size, len(u.sending.parts), syscall.EFBIG)
	}
	return u.newPart(), nil
}

// uploadedParts returns how many parts there are that were sent, and not copied by S3.
func (s *sending) uploadedParts() int { return len(s.parts) - s.copiedParts }

// newPart begins the next part.
func (u *upload) newPart() *part {
	i := u.sending.uploadedParts()
	target := u.receiving.plan.sizeOf(i, u.sending.size-u.sending.copiedSize)
	claim := u.fs.budget.Claim(u.receiving.plan.minToSend(target), i == 0)
	return &part{claim: claim, target: target, algorithm: u.receiving.algorithm, hash: u.receiving.algorithm.hash(), onMinSize: u.resuming.releaseRetained}
}

// fillPart fills a part from what was read ahead and from r.
func (u *upload) fillPart(p *part, r io.Reader) error {
	if p.size == p.target {
		return errFull // of copied bytes
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

// peek reads one byte, which tells whether there is more at all.
func (u *upload) peek(r io.Reader) error {
	if len(u.receiving.peeked) > 0 {
		return nil // there was no memory for it
	}
	b := make([]byte, 1)
	for range 100 {
		n, err := r.Read(b)
		u.receiving.peeked = b[:n]
		if n > 0 && err == io.EOF {
			return nil // which comes again
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// sourceReader reads a source: Read returns its new bytes, and errCopy before each copy, which takeCopy returns.
type sourceReader struct {
	ctx      context.Context
	src      proxy.Source
	newBytes io.Reader   // the present run, if it is of new bytes
	copy     *proxy.Copy // the present run, if it is a copy
	err      error       // of the source
}

// errCopyNext says that the next run is a copy.
var errCopyNext = errors.New("the next run is a copy")

// firstCopy returns the first run if it is a copy, nil if it is not. Read and takeCopy return it again.
func (r *sourceReader) firstCopy() (*proxy.Copy, error) {
	for r.newBytes == nil && r.copy == nil && r.err == nil {
		r.nextRun()
	}
	if r.err == io.EOF {
		return nil, nil
	}
	return r.copy, r.err
}

// Read implements io.Reader. It ends with io.EOF when the source has.
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

// takeCopy returns the copy that Read has stopped at. Read goes on behind it.
func (r *sourceReader) takeCopy() *proxy.Copy {
	c := r.copy
	r.copy = nil
	return c
}

// nextRun asks for the next run. A copy of no bytes is none.
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
