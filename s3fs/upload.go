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
// While another operation of this process changes the name, the upload waits to be published, and after Service.Timeout it is syscall.EBUSY. So is
// an upload that another session has resumed, and one that keeps some of an object which was changed meanwhile.
//
// When ctx ends before src does, nothing is published. When it ends afterwards, S3 has half a minute to confirm the object;
// without that it is not known whether it was published.
func (f *FS) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	key, err := f.file(name)
	if err != nil {
		return proxy.Stored{}, wrap("put", name, err)
	}
	made, err := f.put(ctx, key, src, w)
	if err == nil && made.timeUnset {
		made.Stored = f.setTimeOfUpload(ctx, made.Stored, src.Attributes().ModTime)
	}
	return made.Stored, wrap("put", name, err)
}

func (f *FS) put(ctx context.Context, key string, src proxy.Source, w proxy.Write) (published, error) {
	if err := context.Cause(ctx); err != nil {
		return published{}, err
	}
	r := &runs{ctx: ctx, src: src}
	first, err := r.first()
	if err != nil {
		return published{}, err
	}
	u, err := f.prepare(ctx, key, w, first)
	if err != nil {
		return published{}, err
	}
	defer u.close()
	if u.resuming.resumed {
		r.takeCopy() // which is what was resumed
	}
	u.publishing.commit, u.publishing.attributes = sync.OnceValue(src.Commit), src.Attributes
	err = u.run(r)
	return u.publishing.made, err
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
		u, err = f.resumeOrAppend(ctx, key, w, keptBytes(first.Length))
	case own || w.Base != "":
		u, err = f.change(ctx, key, w)
	default:
		u, err = f.upload(ctx, key, w, 0)
	}
	if err != nil {
		watch.end()
		return nil, err
	}
	u.publishing.watch = watch
	return u, nil
}

// run receives the content. Up to one part is sent as a whole; of a longer one each part is sent while the next is
// received.
func (u *upload) run(r *runs) error {
	p, err := u.receive(u.part(), r)
	if p != nil {
		p.seal()
	}
	u.markFinishing()
	switch {
	case err == errUnchanged:
		u.publishing.made.keeps(u.publishing.base.is)
		u.publishing.made.timeUnset = !u.publishing.attributes().ModTime.IsZero()
		return u.publishing.commit()
	case err == io.EOF && !u.inParts():
		return u.single(p)
	case err == io.EOF:
		return u.finishMultipart(p)
	}
	u.resuming.rest = p
	return u.keepOrAbort(err)
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
	plan := f.plan(size)
	if size > 0 && size > plan.capacity() {
		return nil, fmt.Errorf("%d bytes announced, %d possible: %w", size, plan.capacity(), syscall.EFBIG)
	}
	u := &upload{
		fs: f, key: key,
		receiving: receiving{plan: plan, hot: f.client.algorithm()},
		sending:   sending{answers: make(chan answer, mostInFlight), pace: newPace()},
		publishing: publishing{
			mustBeNew: w.New, lock: nameLock{client: f.client}, made: published{Stored: f.storedAt(key)},
			commit:     func() error { return nil },
			attributes: func() proxy.Attributes { return proxy.Attributes{} },
		},
		resuming: resuming{
			owner:     owner{place: f.place(key)},
			resumable: f.resume > 0 && f.client.features.supports(highPartNumbers, ""),
		},
	}
	u.publishing.lock.add(f.bucket, key)
	u.publishing.lock.check = u.conditionHolds
	u.ctx, u.fail = context.WithCancelCause(ctx)
	u.sending.ctx, u.sending.cancel = outlast(u.ctx, cleanup)
	return u, nil
}

// close ends what may still be under way.
func (u *upload) close() {
	u.fail(nil)
	u.sending.cancel()
	u.resuming.awaitLease()
	u.fs.client.uploads.disown(u.sending.id, &u.resuming.owner)
	u.publishing.watch.end()
	if u.resuming.finished != nil {
		u.resuming.finished()
	}
}

// receiving is the part of an upload that ends when all of the content has been received.
type receiving struct {
	plan   parts             // the sizes of the parts to come
	hot    algorithm         // what is computed while the content arrives
	ahead  []byte            // read already, belongs into the next part
	others map[string]object // from which is copied besides the base, by key
}

// errUnchanged says that the content is the one that the file has already.
var errUnchanged = errors.New("the file stays as it is")

// receive receives the content, of which p is the first part. It sends each part that is full when more follows, and returns the last one
// with io.EOF. With another error it returns the part that was not sent, if there is one.
func (u *upload) receive(p *part, r *runs) (*part, error) {
	next := u.peek(r) // before any memory: nobody has to wait for it to hear that an upload may begin
	for {
		switch next {
		case nil:
			if next = u.fill(p, r); next != errFull {
				continue
			}
			if next = u.peek(r); next == nil {
				if p, next = u.nextPart(p); next != nil {
					return nil, next
				}
			}
		case errCopy:
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
func (u *upload) receiveCopy(p *part, r *runs) (*part, error) {
	c, err := u.resolve(r.takeCopy())
	if err != nil {
		return p, err
	}
	next := u.peek(r)
	switch empty := p.size == 0 && len(u.sending.parts) == 0 && u.sending.pending == nil; {
	case next == io.EOF && empty && c.base && u.publishing.base != nil && c.bytes == c.size:
		return p, errUnchanged
	case next != nil && next != errCopy && next != io.EOF:
		return p, next
	}
	if p, err = u.copyInto(p, c); err != nil {
		return p, err
	}
	return p, next
}

// nextPart sends a part, as more follows, and begins the next one. After an error there is none.
func (u *upload) nextPart(p *part) (*part, error) {
	if err := u.send(p); err != nil {
		return nil, err
	}
	if u.sending.dataParts() >= u.receiving.plan.numbers {
		return nil, fmt.Errorf("more than %d bytes in %d parts: %w", u.sending.size, len(u.sending.parts), syscall.EFBIG)
	}
	return u.part(), nil
}

// dataParts returns how many parts there are that were sent, and not copied by S3.
func (s *sending) dataParts() int { return len(s.parts) - s.copiedParts }

// part begins the next part.
func (u *upload) part() *part {
	i := u.sending.dataParts()
	target := u.receiving.plan.next(i, u.sending.size-u.sending.copiedSize)
	claim := u.fs.budget.Claim(u.receiving.plan.least(target), i == 0)
	return &part{claim: claim, target: target, hot: u.receiving.hot, hash: u.receiving.hot.hash(), grown: u.resuming.releaseRetained}
}

// fill fills a part from what was read ahead and from r.
func (u *upload) fill(p *part, r io.Reader) error {
	if p.size == p.target {
		return errFull // of copied bytes
	}
	if len(u.receiving.ahead) > 0 {
		space, err := p.space(u.ctx, u.fs.stall)
		if err != nil {
			return err
		}
		p.took(space[:copy(space, u.receiving.ahead)])
		u.receiving.ahead = nil
	}
	return p.fill(u.ctx, r, u.fs.stall)
}

// peek reads one byte, which tells whether there is more at all.
func (u *upload) peek(r io.Reader) error {
	if len(u.receiving.ahead) > 0 {
		return nil // there was no memory for it
	}
	b := make([]byte, 1)
	for range 100 {
		n, err := r.Read(b)
		u.receiving.ahead = b[:n]
		if n > 0 && err == io.EOF {
			return nil // which comes again
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// runs reads a source: Read returns its new bytes, and errCopy before each copy, which takeCopy returns.
type runs struct {
	ctx  context.Context
	src  proxy.Source
	new  io.Reader   // the present run, if it is of new bytes
	copy *proxy.Copy // the present run, if it is a copy
	end  error       // of the source
}

// errCopy says that the next run is a copy.
var errCopy = errors.New("the next run is a copy")

// first returns the first run if it is a copy, nil if it is not. Read and takeCopy return it again.
func (r *runs) first() (*proxy.Copy, error) {
	for r.new == nil && r.copy == nil && r.end == nil {
		r.next()
	}
	if r.end == io.EOF {
		return nil, nil
	}
	return r.copy, r.end
}

// Read implements io.Reader. It ends with io.EOF when the source has.
func (r *runs) Read(p []byte) (int, error) {
	for {
		switch {
		case r.end != nil:
			return 0, r.end
		case r.copy != nil:
			return 0, errCopy
		case r.new == nil:
			r.next()
			continue
		}
		n, err := r.new.Read(p)
		if err == io.EOF {
			r.new, err = nil, nil
			if n == 0 {
				continue
			}
		}
		r.end = err
		return n, err
	}
}

// takeCopy returns the copy that Read has stopped at. Read goes on behind it.
func (r *runs) takeCopy() *proxy.Copy {
	c := r.copy
	r.copy = nil
	return c
}

// next asks for the next run. A copy of no bytes is none.
func (r *runs) next() {
	run, err := r.src.Next(r.ctx)
	if err != nil {
		r.end = err
		return
	}
	if r.new = run.New; run.Copy != nil && run.Copy.Length != 0 {
		r.copy = run.Copy
	}
}
