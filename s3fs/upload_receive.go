package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

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
