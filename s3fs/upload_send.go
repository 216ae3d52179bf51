package s3fs

import (
	"context"
	"fmt"
	"syscall"
)

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

// last sends the last part. If it is long enough to be resumed from, its last byte follows as a part of its own: else
// all of the content could be there without being published, and a client that compares sizes would take it for stored.
func (u *upload) last(p *part) error {
	u.all = true
	if p.size == 0 {
		p.free()
		return u.begin()
	}
	if !u.resumable || u.plan.uniform || p.size <= minPart || u.dataParts()+1 >= u.plan.numbers {
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
	if err := u.begin(); err != nil {
		p.free()
		return err
	}
	if u.dataParts() >= u.plan.numbers {
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
