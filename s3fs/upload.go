package s3fs

import (
	"context"
	"fmt"
	"io"
	"syscall"
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
	order     func() error // waits for the order to publish
	ahead     []byte       // read already, belongs into the next part

	id       string // of the multipart upload
	size     int64
	sent     []sent
	inFlight int
	answers  chan answer
	pace     *pace
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

func (f *FS) upload(ctx context.Context, key string, plan parts, mustBeNew bool) *upload {
	return &upload{
		FS: f, ctx: ctx, key: key, plan: plan, mustBeNew: mustBeNew,
		claim:   &claim{m: f.memory},
		hot:     f.client.algorithm(),
		answers: make(chan answer, mostInFlight),
		order:   func() error { return nil },
		pace:    newPace(),
	}
}

// part begins the next part.
func (u *upload) part() *part {
	i := len(u.sent)
	p := &part{claim: u.claim, first: i == 0, target: u.plan.next(i, u.size), hot: u.hot, hash: u.hot.hash()}
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

// multipart sends the first part and what follows in r, each part while the next is received, and publishes the
// whole. When anything fails, nothing is published or left behind.
func (u *upload) multipart(first *part, r io.Reader) error {
	if err := u.create(); err != nil {
		first.free()
		return err
	}
	u.ctx, u.fail = context.WithCancelCause(u.ctx)
	defer u.fail(nil)
	err := u.stream(first, r)
	for u.inFlight > 0 && err == nil {
		err = u.settle()
	}
	if err == nil {
		err = u.order()
	}
	if err == nil {
		err = u.complete()
	}
	if err != nil {
		u.fail(err)
		u.abort()
	}
	return err
}

// stream sends part after part, until r ends and all have been sent.
func (u *upload) stream(p *part, r io.Reader) error {
	for {
		if err := u.send(p); err != nil {
			return err
		}
		if len(u.sent) == u.plan.numbers {
			return u.end(r)
		}
		p = u.part()
		switch err := u.fill(p, r); {
		case err == errFull:
		case err == io.EOF && p.size == 0:
			p.free()
			return nil
		case err == io.EOF:
			return u.send(p)
		default:
			p.free()
			return err
		}
	}
}

// end checks that r has no more, when there is no part number left for it.
func (u *upload) end(r io.Reader) error {
	switch err := u.peek(r); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("more than %d bytes in %d parts: %w", u.size, len(u.sent), syscall.EFBIG)
	default:
		return err
	}
}

// send hands a part to a sender of its own, once fewer are in flight than S3 takes well.
func (u *upload) send(p *part) error {
	p.seal()
	for u.inFlight >= u.pace.limit || len(u.answers) > 0 {
		if err := u.settle(); err != nil {
			p.free()
			return err
		}
	}
	i := len(u.sent)
	u.sent = append(u.sent, sent{size: p.size})
	u.size += p.size
	u.inFlight++
	go func() {
		a := answer{i: i}
		a.etag, a.sum, a.err = u.sendPart(i, p)
		if a.err != nil {
			u.fail(fmt.Errorf("part %d: %w", firstPart+i, a.err)) // ends the others, and the upload at its next read
		}
		p.free()
		u.answers <- a
	}()
	return nil
}

// settle waits for one answer.
func (u *upload) settle() error {
	starved := u.inFlight >= u.pace.limit
	a := <-u.answers
	u.inFlight--
	if a.err != nil {
		return context.Cause(u.ctx) // the first part to fail has made the others fail
	}
	u.sent[a.i].etag, u.sent[a.i].sum = a.etag, a.sum
	u.pace.took(u.sent[a.i].size, starved, u.memory.roomy())
	return nil
}
