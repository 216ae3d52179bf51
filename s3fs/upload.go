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
	if u.resumed {
		r.takeCopy() // which is what was resumed
	}
	u.hold(src.Commit)
	u.attrs = src.Attributes
	err = u.run(r)
	return u.published, err
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
		u, err = f.resumeOrAppend(ctx, key, w, prefix(first.Length))
	case own || w.Base != "":
		u, err = f.change(ctx, key, w)
	default:
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
func (u *upload) run(r *runs) error {
	p, err := u.receive(u.part(), r)
	if p != nil {
		p.seal()
	}
	u.ends()
	switch {
	case err == errUnchanged:
		u.published.keeps(u.base.is)
		u.published.timeUnset = !u.attrs().ModTime.IsZero()
		return u.order()
	case err == io.EOF && !u.inParts():
		return u.whole(p)
	case err == io.EOF:
		return u.multipart(p)
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
	begun    time.Time

	base        *base             // the object that is replaced by one like it; nil = it may be any, or none
	others      map[string]object // from which is copied, by key
	pending     *copyRange        // to be copied by S3 before the next part is sent
	copies      []partCopy        // under way
	copySlots   chan struct{}     // of which each part that is being copied has one
	copiedParts int               // of those in sent
	copiedSize  int64             // of these
	forCopies   bool              // the multipart upload is to have no checksum algorithm, so that S3 copies any object into it
	summed      bool              // it has one

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
