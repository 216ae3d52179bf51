package reassembly

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// ErrResumedCopy refuses a copy of another file in a resumed upload.
var ErrResumedCopy = fmt.Errorf("an upload that resumes cannot have copies of other files: %w", errors.ErrUnsupported)

// A copied is a range of the content that the store copies from another file. Its span is among those of pages.written.
type copied struct {
	span
	source proxy.Copy // Length is that of the span
}

// part returns the part of a copy in a span.
func (c copied) part(s span) copied {
	s = span{max(s.from, c.from), min(s.to, c.to)}
	c.source.Offset += s.from - c.from
	c.source.Length = s.to - s.from
	c.span = s
	return c
}

// Copy makes a range of another file part of the content, at an offset. The store copies it when it publishes the content, from the
// version c.ETag. It is as a WRITE of those bytes: where the upload cannot go back, or must not begin, the error is that of Write.
// Length must be known.
func (u *Upload) Copy(offset int64, c proxy.Copy) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.acquire()
	defer u.release()
	if u.err != nil || u.closed {
		return u.closedError()
	}
	if u.config.Append {
		offset = u.size()
	}
	switch {
	case offset < 0 || offset > math.MaxInt64-c.Length:
		return u.fail(errSize)
	case u.base.Resumable && offset > 0:
		return u.fail(ErrResumedCopy)
	case c.Length == 0:
		return nil
	}
	s := span{offset, offset + c.Length}
	err := u.beginOnce(s.from)
	if err == nil && s.from < u.final {
		err = ErrBack
	}
	if err != nil {
		return u.fail(err)
	}
	u.pages.remove(s)
	u.copies = true
	u.pages.addCopy(copied{s, c})
	if len(u.pages.written) > maxSpans || len(u.pages.copied) > maxSpans {
		return u.fail(ErrSpans)
	}
	u.changed.Broadcast()
	return nil
}

// addCopy declares that a range, which was not written, is copied.
func (p *pages) addCopy(c copied) {
	i, _ := slices.BinarySearchFunc(p.copied, c.from, func(c copied, from int64) int { return int(min(max(c.from-from, -1), 1)) })
	p.copied = slices.Insert(p.copied, i, c)
	p.add(c.span)
}

// removeCopies removes what is copied in a span.
func (p *pages) removeCopies(s span) {
	var left []copied
	for _, c := range p.copied {
		if c.to <= s.from || c.from >= s.to {
			left = append(left, c)
			continue
		}
		if c.from < s.from {
			left = append(left, c.part(span{c.from, s.from}))
		}
		if c.to > s.to {
			left = append(left, c.part(span{s.to, c.to}))
		}
	}
	p.copied = left
}

// copyAt returns the copy at an offset.
func (p *pages) copyAt(offset int64) (copied, bool) {
	for _, c := range p.copied {
		if c.from <= offset && offset < c.to {
			return c.part(span{offset, c.to}), true
		}
	}
	return copied{}, false
}

// beforeCopy returns the end of the bytes from an offset to the next copy, but at most end.
func (p *pages) beforeCopy(offset, end int64) int64 {
	for _, c := range p.copied {
		if c.from >= offset {
			return min(end, c.from)
		}
	}
	return end
}

// inMemory returns how many of the written bytes are in memory.
func (p *pages) inMemory() int64 {
	n := p.bytes
	for _, c := range p.copied {
		n -= c.to - c.from
	}
	return n
}
