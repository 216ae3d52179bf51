package s3fs

import (
	"context"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

// A part is a piece of an upload's content, held in memory until S3 has accepted it.
type part struct {
	claim     *budget.Claim
	target    int64            // size in bytes of a full part
	buffers   [][]byte         // of claim
	retained  *budget.Retained // of buffers; nil = not retained
	size      int64
	algorithm algorithm
	hash      hash.Hash // of algorithm, over the content; updated while the content is in the CPU's caches
	onMinSize func()    // called once, when size reaches minPart
}

// errFull means that a part is full; more content may follow.
var errFull = errors.New("part is full")

// fill reads from r until the part is full, which is errFull, or r ends, which is io.EOF. Other errors are those of
// r, of ctx and of claiming memory.
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

// space returns room for the next bytes: the rest of the last buffer, or a new one.
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

// advance adds bytes that were put into the space to the content.
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

// cutLastByte removes the last byte, and returns it as a part.
func (p *part) cutLastByte() *part {
	i := len(p.buffers) - 1
	if len(p.buffers[i]) == 0 { // made for bytes that did not come
		i--
	}
	last := &p.buffers[i]
	n := len(*last) - 1
	end := &part{claim: p.claim, buffers: [][]byte{{(*last)[n]}}, size: 1, hash: noHash{}}
	*last = (*last)[:n]
	p.size--
	p.algorithm, p.hash = "", noHash{} // to be computed again
	return end
}

// seal declares that the part will not grow any more.
func (p *part) seal() { p.claim.Seal() }

// free returns the memory to the budget once all users of the part have called it. The caller must not read the part
// afterwards.
func (p *part) free() {
	p.seal()
	if p.retained != nil {
		p.retained.Release()
		return
	}
	p.claim.Free(p.buffers...)
	p.buffers = nil
}

// reader returns a reader of the part, for one request and its retries.
func (p *part) reader() *partReader { return &partReader{part: p} }

// A partReader reads a part. It can seek, so that a request can be retried, and it writes buffer by buffer, without a
// copy.
type partReader struct {
	part   *part
	offset int64
	commit func() error // called before the last byte is returned; its error becomes the reader's. nil = none
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

// nextBytes returns the rest of the current buffer. It runs in a goroutine of net/http, and so does commit.
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

// minPart is the smallest size in bytes of every part but the last.
const minPart = 5 << 20

const mebibyte = 1 << 20

// A partPlan plans the sizes of an upload's parts.
type partPlan struct {
	maxParts int
	minSize  int64 // of the first part
	maxSize  int64
	uniform  bool  // all but the last must have the same size
	total    int64 // announced size of the content; 0 = unknown
}

// planParts returns the plan for content of size bytes; 0 = unknown.
func (f *FS) planParts(size int64) partPlan {
	maxSize := f.budget.MaxClaim() / budget.BufferSize * budget.BufferSize
	base := (f.partSize + budget.BufferSize - 1) / budget.BufferSize * budget.BufferSize
	p := partPlan{maxParts: f.maxParts - reservedPartNumbers, minSize: min(max(base, minPart), maxSize), maxSize: maxSize, uniform: f.uniform, total: size}
	if p.uniform {
		p.minSize = min(max(p.minSize, p.evenShare(size, p.maxParts)), maxSize)
	}
	return p
}

// capacity returns how many bytes an upload can have.
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

// sizeOf returns the size of part i, counted from 0, after so many bytes before it. If the total is known, each part
// gets an even share of the rest. Otherwise the size doubles after every tenth of maxParts.
func (p partPlan) sizeOf(i int, before int64) int64 {
	switch {
	case p.uniform:
		return p.minSize
	case p.total > before:
		return min(max(p.minSize, p.evenShare(p.total-before, p.maxParts-i)), p.maxSize)
	}
	return min(p.minSize<<min(10*i/p.maxParts, 20), p.maxSize)
}

// minToSend returns how many bytes of a part of size bytes are enough to send it when no more memory is free.
func (p partPlan) minToSend(size int64) int64 {
	if p.uniform {
		return size
	}
	return max(size/2, minPart)
}

// evenShare divides size bytes among n parts, rounded up to whole MiB.
func (partPlan) evenShare(size int64, n int) int64 {
	each := (size + int64(n) - 1) / int64(max(n, 1))
	return (each + mebibyte - 1) / mebibyte * mebibyte
}

// sum returns the part's checksum: the one computed on arrival, if that is of the right algorithm.
func (p *part) sum(a algorithm) checksum {
	h := p.hash
	if a != p.algorithm {
		h = a.hash()
		io.Copy(h, p.reader())
	}
	return checksum{a, h.Sum(nil)}
}
