package s3fs

import (
	"context"
	"errors"
	"hash"
	"io"
	"time"
)

// A part is a stretch of a file's content, held in memory until S3 has taken it.
type part struct {
	claim  *claim
	first  bool  // of its file
	target int64 // bytes after which it is full
	slabs  [][]byte
	size   int64
	hot    algorithm
	hash   hash.Hash // hot's, over the content, taken while the processor's caches hold it
	grown  func()    // called once, when it is long enough to be any part of an upload
	sealed bool
	users  int // that have yet to free it, guarded by Memory.mu; 0 counts as 1
}

// errFull says that a part has taken what it can; more of the content follows.
var errFull = errors.New("part is full")

// fill reads from r until the part is full, which is errFull, or r ends, which is io.EOF.
// Any other error is r's own, or that no memory came.
func (p *part) fill(ctx context.Context, r io.Reader, stall time.Duration) error {
	idle := 0
	for p.size < p.target {
		space, err := p.space(ctx, stall)
		if err != nil {
			return err
		}
		n, err := r.Read(space)
		p.took(space[:n])
		if err != nil {
			return err
		}
		if idle++; n > 0 {
			idle = 0
		}
		if idle == 100 {
			return io.ErrNoProgress
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return errFull
}

// space returns room for the next bytes: what is left of the last slab, or a new one.
func (p *part) space(ctx context.Context, stall time.Duration) ([]byte, error) {
	if len(p.slabs) > 0 {
		last := p.slabs[len(p.slabs)-1]
		if len(last) < cap(last) {
			room := min(int64(cap(last)-len(last)), p.target-p.size)
			return last[len(last):][:room], nil
		}
	}
	n := int64(slabSize)
	if p.first && len(p.slabs) == 0 {
		n = smallSlab
	}
	slab, err := p.claim.take(ctx, n, stall)
	if err != nil {
		return nil, err
	}
	if slab == nil {
		return nil, errFull
	}
	p.slabs = append(p.slabs, slab[:0])
	return slab[:min(n, p.target-p.size)], nil
}

// took counts bytes that were put into the space as part of the content.
func (p *part) took(b []byte) {
	if len(b) == 0 {
		return
	}
	last := &p.slabs[len(p.slabs)-1]
	*last = (*last)[:len(*last)+len(b)]
	p.size += int64(len(b))
	p.hash.Write(b)
	if p.grown != nil && p.size >= minPart {
		p.grown()
		p.grown = nil
	}
}

// cut cuts the last byte off, and returns it as a part.
func (p *part) cut() *part {
	i := len(p.slabs) - 1
	if len(p.slabs[i]) == 0 { // for bytes that did not come
		i--
	}
	last := &p.slabs[i]
	n := len(*last) - 1
	end := &part{claim: p.claim, slabs: [][]byte{{(*last)[n]}}, size: 1, hash: noHash{}, sealed: true}
	*last = (*last)[:n]
	p.size--
	p.hot, p.hash = "", noHash{} // to be taken anew
	return end
}

// seal says that the part will not grow, so that its claim is free for the next.
func (p *part) seal() {
	if !p.sealed {
		p.sealed = true
		p.claim.seal()
	}
}

// free gives the memory back, when all users of the part have called it. None may read it any more after that.
func (p *part) free() {
	p.seal()
	p.claim.m.done(p)
}

// content returns a reader of the part, for one request and its repetitions.
func (p *part) content() *content { return &content{part: p} }

// content reads a part. It seeks, so that a request can be sent again, and writes slab by slab, without a copy.
type content struct {
	part   *part
	offset int64
	order  func() error // asked before the last byte is given out, if there is one; its error is the reader's
}

// Read implements io.Reader.
func (c *content) Read(b []byte) (int, error) {
	next, err := c.next()
	if err == nil && len(next) == 0 {
		err = io.EOF
	}
	if err != nil {
		return 0, err
	}
	n := copy(b, next)
	c.offset += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo.
func (c *content) WriteTo(w io.Writer) (total int64, err error) {
	for {
		next, err := c.next()
		if err != nil || len(next) == 0 {
			return total, err
		}
		n, err := w.Write(next)
		c.offset += int64(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Seek implements io.Seeker.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.offset
	case io.SeekEnd:
		offset += c.part.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	c.offset = offset
	return offset, nil
}

// next returns what follows in the present slab.
func (c *content) next() ([]byte, error) {
	at := c.offset
	for _, slab := range c.part.slabs {
		if at >= int64(len(slab)) {
			at -= int64(len(slab))
			continue
		}
		next := slab[at:]
		if free := c.part.size - 1 - c.offset; c.order == nil || int64(len(next)) <= free {
			return next, nil
		} else if free > 0 {
			return next[:free], nil
		}
		return next, c.order()
	}
	return nil, nil
}
