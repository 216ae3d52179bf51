package s3fs

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// An upload is one Put on its way. It belongs to the goroutine that reads the content; the senders of parts only
// report to it.
type upload struct {
	*FS
	ctx       context.Context
	fail      context.CancelCauseFunc // ends ctx
	key       string
	mustBeNew bool
	plan      parts
	claim     *claim
	hot       algorithm    // what is computed while the content arrives
	fixed     algorithm    // of the multipart upload, where that is not the client's to choose
	order     func() error // waits for the order to publish
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
	first    int32 // number of the first part

	base      *base                                   // what is kept of an object, nil = nothing
	resumable bool                                    // if it breaks
	resumed   bool                                    // one that broke before
	mark      *string                                 // ETag, see claimParts
	kept      []*part                                 // the last ones sent, until what follows is long enough to be a part
	rest      *part                                   // what follows, if it broke off
	void      bool                                    // S3 has refused the whole, and would again
	all       bool                                    // the data has ended as it should
	ended     func()                                  // says that it is at its end, if it has been said that it is coming to it
	older     func() ([]types.MultipartUpload, error) // to the key, which this one replaces
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
func (f *FS) upload(ctx context.Context, key string, w Write, kept int64) (*upload, error) {
	size := w.Size
	if size > 0 {
		size += kept
	}
	plan := f.plan(size)
	if size > 0 && size > plan.capacity() {
		return nil, fmt.Errorf("%d bytes announced, %d possible: %w", size, plan.capacity(), syscall.EFBIG)
	}
	u := &upload{
		FS: f, key: key, plan: plan, mustBeNew: w.New,
		claim:   &claim{m: f.memory},
		hot:     f.client.algorithm(),
		answers: make(chan answer, mostInFlight),
		order:   func() error { return nil },
		pace:    newPace(),
		first:   firstPart,

		resumable: f.resume > 0,
	}
	u.ctx, u.fail = context.WithCancelCause(ctx)
	u.sending, u.drop = outlast(u.ctx, cleanup)
	return u, nil
}

// close ends what may still be under way.
func (u *upload) close() {
	u.fail(nil)
	u.drop()
	u.client.uploads.disown(u.id, &u.owner)
	if u.ended != nil {
		u.ended()
	}
}

// hold makes the end of the data wait for the order to publish.
func (u *upload) hold(order func() error) { u.order = sync.OnceValue(order) }

// part begins the next part.
func (u *upload) part() *part {
	i := len(u.sent)
	p := &part{claim: u.claim, first: i == 0, target: u.plan.next(i, u.size), hot: u.hot, hash: u.hot.hash(), grown: u.forget}
	u.claim.need = slabs(u.plan.least(p.target), p.first)
	return p
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
	u.keep(p)
	go func() {
		defer u.owner.leave()
		a := answer{i: i}
		a.etag, a.sum, a.err = u.sendPart(i, p)
		if a.err != nil {
			u.fail(fmt.Errorf("part %d: %w", u.number(i), a.err)) // ends the upload at its next read, the others soon
		}
		p.free()
		u.answers <- a
	}()
	return nil
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
	u.pace.took(u.sent[a.i].size, starved, u.memory.roomy(), u.grown(u.sent[a.i].size))
	return nil
}
