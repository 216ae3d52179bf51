package s3fs

import (
	"context"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

// A part is a stretch of a file's content, held in memory until S3 has taken it.
type part struct {
	claim     *budget.Claim
	target    int64            // bytes after which it is full
	buffers   [][]byte         // of claim
	retained  *budget.Retained // of buffers; nil = they are not retained
	size      int64
	algorithm algorithm
	hash      hash.Hash // hot's, over the content, taken while the processor's caches hold it
	onMinSize func()    // called once, when it is long enough to be any part of an upload
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
		p.advance(space[:n])
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

// space returns room for the next bytes: what is left of the last buffer, or a new one.
func (p *part) space(ctx context.Context, stall time.Duration) ([]byte, error) {
	if len(p.buffers) > 0 {
		last := p.buffers[len(p.buffers)-1]
		if len(last) < cap(last) {
			room := min(int64(cap(last)-len(last)), p.target-p.size)
			return last[len(last):][:room], nil
		}
	}
	buffer, err := p.claim.Take(ctx, stall)
	if err != nil {
		return nil, err
	}
	if buffer == nil {
		return nil, errFull
	}
	p.buffers = append(p.buffers, buffer[:0])
	return buffer[:min(int64(len(buffer)), p.target-p.size)], nil
}

// advance counts bytes that were put into the space as part of the content.
func (p *part) advance(b []byte) {
	if len(b) == 0 {
		return
	}
	last := &p.buffers[len(p.buffers)-1]
	*last = (*last)[:len(*last)+len(b)]
	p.size += int64(len(b))
	p.hash.Write(b)
	if p.onMinSize != nil && p.size >= minPart {
		p.onMinSize()
		p.onMinSize = nil
	}
}

// cutLastByte cuts the last byte off, and returns it as a part.
func (p *part) cutLastByte() *part {
	i := len(p.buffers) - 1
	if len(p.buffers[i]) == 0 { // for bytes that did not come
		i--
	}
	last := &p.buffers[i]
	n := len(*last) - 1
	end := &part{claim: p.claim, buffers: [][]byte{{(*last)[n]}}, size: 1, hash: noHash{}}
	*last = (*last)[:n]
	p.size--
	p.algorithm, p.hash = "", noHash{} // to be taken anew
	return end
}

// seal says that the part will not grow.
func (p *part) seal() { p.claim.Seal() }

// free returns the memory to the budget, when all users of the part have called it. None may read it any more after that.
func (p *part) free() {
	p.seal()
	if p.retained != nil {
		p.retained.Release()
		return
	}
	p.claim.Free(p.buffers...)
	p.buffers = nil
}

// reader returns a reader of the part, for one request and its repetitions.
func (p *part) reader() *partReader { return &partReader{part: p} }

// partReader reads a part. It seeks, so that a request can be sent again, and writes buffer by buffer, without a copy.
type partReader struct {
	part   *part
	offset int64
	commit func() error // called before the last byte is given out, if there is one; its error is the reader's
}

// Read implements io.Reader.
func (c *partReader) Read(b []byte) (int, error) {
	next, err := c.nextBytes()
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
func (c *partReader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		next, err := c.nextBytes()
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
func (c *partReader) Seek(offset int64, whence int) (int64, error) {
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

// nextBytes returns what follows in the present buffer. It runs in a goroutine of net/http, with the caller's commit.
func (c *partReader) nextBytes() (_ []byte, err error) {
	defer recoverPanic(&err)
	at := c.offset
	for _, buffer := range c.part.buffers {
		if at >= int64(len(buffer)) {
			at -= int64(len(buffer))
			continue
		}
		next := buffer[at:]
		if free := c.part.size - 1 - c.offset; c.commit == nil || int64(len(next)) <= free {
			return next, nil
		} else if free > 0 {
			return next[:free], nil
		}
		return next, c.commit()
	}
	return nil, nil
}

// minPart is the least size of every part but the last, in bytes.
const minPart = 5 << 20

const mebibyte = 1 << 20

// partPlan plans the sizes of an upload's parts.
type partPlan struct {
	maxParts int   // how many there may be
	minSize  int64 // the smallest, and the first
	maxSize  int64 // the largest
	uniform  bool  // all but the last must be of one size
	total    int64 // announced for the whole; 0 = unknown
}

// planParts returns the sizes for a content of size bytes, 0 where that is unknown.
func (f *FS) planParts(size int64) partPlan {
	most := f.budget.MaxClaim() / budget.BufferSize * budget.BufferSize
	base := (f.partSize + budget.BufferSize - 1) / budget.BufferSize * budget.BufferSize
	p := partPlan{maxParts: f.maxParts - reservedPartNumbers, minSize: min(max(base, minPart), most), maxSize: most, uniform: f.uniform, total: size}
	if p.uniform {
		p.minSize = min(max(p.minSize, p.evenShare(size, p.maxParts)), most)
	}
	return p
}

// capacity returns how many bytes an upload takes whose parts are all full.
func (p partPlan) capacity() int64 {
	if p.total > 0 {
		return int64(p.maxParts) * p.maxSize
	}
	total := int64(0)
	for i := range p.maxParts {
		total += p.sizeOf(i, total)
	}
	return total
}

// sizeOf returns the size of part i, counted from 0, where so many bytes went before it.
//
// Of a known length, each part takes its share of the rest. Otherwise parts double every tenth of the numbers.
func (p partPlan) sizeOf(i int, before int64) int64 {
	switch {
	case p.uniform:
		return p.minSize
	case p.total > before:
		return min(max(p.minSize, p.evenShare(p.total-before, p.maxParts-i)), p.maxSize)
	}
	return min(p.minSize<<min(10*i/p.maxParts, 20), p.maxSize)
}

// minToSend returns how much of a part of size bytes is enough to send it, when memory for the rest is wanting.
func (p partPlan) minToSend(size int64) int64 {
	if p.uniform {
		return size
	}
	return max(size/2, minPart)
}

func (partPlan) evenShare(size int64, n int) int64 {
	each := (size + int64(n) - 1) / int64(max(n, 1))
	return (each + mebibyte - 1) / mebibyte * mebibyte
}
