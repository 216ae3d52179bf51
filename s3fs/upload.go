package s3fs

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// publishing is the longest that S3 may take to make a content an object, with all repetitions of the request.
const publishing = 15 * time.Minute

// Put makes the runs of src the content of the file. When it returns nil, S3 has confirmed the whole.
//
// Errors of src are returned, and so are S3's; the file is then what it was before. An upload for which no
// memory comes free within Options.Stall is syscall.ENOBUFS, one longer than S3 takes in the parts that memory
// allows syscall.EFBIG.
//
// What S3 has received of a Put that fails is kept for Options.Resume, if that is at least 5 MiB: its multipart upload
// stays open, and whoever has access to the bucket can go on, with a copy of what is there, whose length Stat and the
// errors of Put tell. After an error of src that is proxy.ErrDiscard nothing is kept. A shorter copy, or one to the end, keeps that much of the object that is there. A length that does not fit is
// syscall.ESPIPE, and a proxy.OffsetError tells the one that does.
//
// One copy of the beginning can come before the new bytes; other copies are errors.ErrUnsupported.
//
// While another operation of this process changes the name, the upload waits to be published, and after Service.Timeout it is syscall.EBUSY. So is
// an upload that another session has resumed, and one that keeps the beginning of an object which was changed meanwhile.
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
	r := &newBytes{ctx: ctx, src: src}
	kept, err := r.first()
	if err != nil {
		return published{}, err
	}
	u, err := f.prepare(ctx, key, w, kept)
	if err != nil {
		return published{}, err
	}
	defer u.close()
	u.hold(src.Commit)
	u.attrs = src.Attributes
	err = u.run(r)
	return u.published, err
}

// prepare prepares an upload, according to what is there already if some of it is to be kept.
func (f *FS) prepare(ctx context.Context, key string, w proxy.Write, kept prefix) (u *upload, err error) {
	if !kept.any() && !w.New {
		return f.upload(ctx, key, w, 0)
	}
	ctx, watch := f.watch(ctx, key)
	if kept.any() {
		u, err = f.resumeOrAppend(ctx, key, w, kept)
	} else {
		u, err = f.upload(ctx, key, w, 0)
	}
	if err != nil {
		watch.end()
		return nil, err
	}
	u.watch = watch
	return u, nil
}

// run receives the content. Up to one part is sent as a whole; of a longer one each part is sent while the next is
// received.
func (u *upload) run(r io.Reader) error {
	p := u.part()
	err := u.peek(r) // before any memory: nobody has to wait for it to hear that an upload may begin
	if err == io.EOF && u.base.unchanged() {
		u.published.keeps(u.base.is)
		u.published.timeUnset = !u.attrs().ModTime.IsZero()
		return u.order()
	}
	if err == nil || err == io.EOF {
		if failed := u.base.begin(u, p); failed != nil {
			err = failed
		}
	}
	if err == nil {
		err = u.next(p, r)
	}
	p.seal()
	if err != nil {
		u.ends()
	}
	switch {
	case err == io.EOF && !u.inParts():
		return u.whole(p)
	case err == io.EOF, err == nil:
		return u.multipart(p, r, err)
	}
	u.rest = p
	return u.broke(err)
}

// An upload is one Put on its way. It belongs to the goroutine that reads the content; the senders of parts only
// report to it.
type upload struct {
	*FS
	ctx       context.Context
	fail      context.CancelCauseFunc // ends ctx
	key       string
	mustBeNew bool
	begins    bool // an append to an object that was not there
	plan      parts
	hot       algorithm    // what is computed while the content arrives
	fixed     algorithm    // of the multipart upload, where that is not the client's to choose
	order     func() error // waits for the order to publish
	lock      nameLock     // of the name, held while the upload is published
	watch     *nameWatch   // of the key, where the upload is published on a condition; nil = on none
	ahead     []byte       // read already, belongs into the next part

	id       string          // of the multipart upload
	sending  context.Context // of its parts, which outlives ctx so that they can be resumed from
	drop     context.CancelFunc
	size     int64
	sent     []sent
	inFlight int
	limit    int // of parts in flight
	answers  chan answer
	pace     *pace
	owner    owner
	first    int32 // number of the first part that is sent
	begun    time.Time

	base      *base                   // what is kept of an object, nil = nothing
	resumable bool                    // if it breaks
	resumed   bool                    // one that broke before
	lease     lease                   // the last one that this upload has written
	leasing   func() (lease, error)   // waits for the open lease; nil = none is being written
	retained  []*part                 // the last ones sent, until the bytes that follow are enough for a part
	rest      *part                   // what follows, if it broke off
	void      bool                    // S3 has refused the whole, and would again
	all       bool                    // the data has ended as it should
	ended     func()                  // says that it is at its end, if it has been said that it is coming to it
	attrs     func() proxy.Attributes // of the source
	published published
}

// sent is a part that S3 has, or will have.
type sent struct {
	size int64
	etag *string
	sum  checksum
}

// answer is S3's answer to part i.
type answer struct {
	i    int
	etag *string
	sum  checksum
	err  error
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
		FS: f, key: key, published: published{Stored: f.storedAt(key)}, plan: plan, mustBeNew: w.New,
		hot:     f.client.algorithm(),
		answers: make(chan answer, mostInFlight),
		order:   func() error { return nil },
		attrs:   func() proxy.Attributes { return proxy.Attributes{} },
		pace:    newPace(),
		owner:   owner{place: f.place(key)},
		first:   1,
		lock:    nameLock{client: f.client},

		resumable: f.resume > 0 && f.client.features.supports(highPartNumbers, ""),
	}
	u.lock.add(f.bucket, key)
	u.lock.check = u.conditionHolds
	u.ctx, u.fail = context.WithCancelCause(ctx)
	u.sending, u.drop = outlast(u.ctx, cleanup)
	return u, nil
}

// close ends what may still be under way.
func (u *upload) close() {
	u.fail(nil)
	u.drop()
	u.awaitLease()
	u.client.uploads.disown(u.id, &u.owner)
	u.watch.end()
	if u.ended != nil {
		u.ended()
	}
}

// hold makes the end of the data wait for the order to publish.
func (u *upload) hold(order func() error) { u.order = sync.OnceValue(order) }

// part begins the next part.
func (u *upload) part() *part {
	i := len(u.sent)
	target := u.plan.next(i, u.size)
	claim := u.budget.Claim(u.plan.least(target), i == 0)
	return &part{claim: claim, target: target, hot: u.hot, hash: u.hot.hash(), grown: u.releaseRetained}
}

// fill fills a part from what was read ahead and from r.
func (u *upload) fill(p *part, r io.Reader) error {
	if len(u.ahead) > 0 {
		space, err := p.space(u.ctx, u.stall)
		if err != nil {
			return err
		}
		p.took(space[:copy(space, u.ahead)])
		u.ahead = nil
	}
	return p.fill(u.ctx, r, u.stall)
}

// peek reads one byte, which tells whether there is more at all.
func (u *upload) peek(r io.Reader) error {
	b := make([]byte, 1)
	for range 100 {
		n, err := r.Read(b)
		u.ahead = b[:n]
		if n > 0 && err == io.EOF {
			return nil // which comes again
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// next fills the next part, and tells whether more follows it: nil, or io.EOF if not.
func (u *upload) next(p *part, r io.Reader) error {
	if p.size == p.target && len(u.ahead) > 0 {
		return nil // the kept beginning has filled it
	}
	err := u.fill(p, r)
	if err == errFull {
		err = u.peek(r)
	}
	return err
}

// stream sends p, whose filling ended with err, and part after part, until r ends and all have been sent.
func (u *upload) stream(p *part, r io.Reader, err error) error {
	for err == nil {
		if err := u.send(p); err != nil {
			return err
		}
		if len(u.sent) == u.plan.numbers {
			return fmt.Errorf("more than %d bytes in %d parts: %w", u.size, len(u.sent), syscall.EFBIG)
		}
		p = u.part()
		err = u.next(p, r)
	}
	if err != io.EOF {
		u.rest = p
		return err
	}
	return u.last(p)
}

// last sends the last part. If it is long enough to be resumed from, its last byte follows as a part of its own: else
// all of the content could be there without being published, and a client that compares sizes would take it for stored.
func (u *upload) last(p *part) error {
	u.all = true
	if p.size == 0 {
		p.free()
		return nil
	}
	if !u.resumable || u.plan.uniform || p.size <= minPart || len(u.sent)+1 >= u.plan.numbers {
		return u.send(p)
	}
	end := p.cut()
	if err := u.send(p); err != nil {
		return err
	}
	return u.send(end)
}

// send hands a part to a sender of its own, once fewer are in flight than S3 takes well.
func (u *upload) send(p *part) error {
	p.seal()
	if len(u.sent) >= u.plan.numbers {
		p.free()
		return fmt.Errorf("no number is left for another part after %d bytes: %w", u.size, syscall.EFBIG)
	}
	u.limit = u.mostInFlight(p)
	for u.inFlight >= u.limit || len(u.answers) > 0 {
		if err := u.settle(); err != nil {
			p.free()
			return err
		}
	}
	if !u.owner.enter() {
		p.free()
		return errTaken
	}
	i := len(u.sent)
	u.sent = append(u.sent, sent{size: p.size})
	u.size += p.size
	u.inFlight++
	u.retain(p)
	go func() {
		defer u.owner.leave()
		a := u.deliver(i, p)
		if a.err != nil {
			u.fail(fmt.Errorf("part %d: %w", u.number(i), a.err)) // ends the upload at its next read, the others soon
		}
		u.answers <- a
	}()
	return nil
}

// deliver sends part i and frees it.
func (u *upload) deliver(i int, p *part) (a answer) {
	a.i = i
	defer recovered(&a.err)
	defer p.free()
	a.etag, a.sum, a.err = u.sendPart(u.number(i), p)
	return a
}

// mostInFlight returns how many parts may be in flight with p. Parts that have grown hide the time between two of them
// by themselves: where few were in flight, one is enough then.
func (u *upload) mostInFlight(p *part) int {
	if u.pace.level == 0 && u.grown(p.size) {
		return 1
	}
	return u.pace.limit()
}

// grown reports whether a part of size bytes has grown beyond the plan's smallest, as those of a long upload do.
func (u *upload) grown(size int64) bool { return size > u.plan.base }

// settle waits for one answer.
func (u *upload) settle() error {
	starved := u.inFlight >= u.limit
	a := <-u.answers
	u.inFlight--
	if a.err != nil {
		return context.Cause(u.ctx) // the first part to fail has made the others fail
	}
	u.sent[a.i].etag, u.sent[a.i].sum = a.etag, a.sum
	u.pace.took(u.sent[a.i].size, starved, u.budget.HalfFree(), u.grown(u.sent[a.i].size))
	return nil
}
