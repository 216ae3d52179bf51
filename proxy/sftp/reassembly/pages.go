package reassembly

import (
	"cmp"
	"slices"
)

// pageSize is the size of a page in bytes. It is that of the small buffers of the memory budget, so that a small file takes little
// memory.
const pageSize = 32 << 10

// pages are bytes of the content, in lent memory. There may be gaps between them.
type pages struct {
	memory  Memory
	list    []page   // sorted by offset
	written []span   // sorted; they neither overlap nor touch
	bytes   int64    // in written
	copied  []copied // sorted; they do not overlap
}

// A page is memory for pageSize bytes of the content.
type page struct {
	offset int64 // of its first byte; a multiple of pageSize
	buffer []byte
}

// A span is the bytes of the content from one offset to before another.
type span struct{ from, to int64 }

// findPage returns the index of the page with the byte at offset, or where that page belongs.
func (p *pages) findPage(offset int64) (i int, found bool) {
	return slices.BinarySearchFunc(p.list, offset-offset%pageSize, func(a page, start int64) int { return cmp.Compare(a.offset, start) })
}

// at returns the memory from offset to the end of its page, or nil if there is no such page.
func (p *pages) at(offset int64) []byte {
	if i, found := p.findPage(offset); found {
		return p.list[i].buffer[offset%pageSize : pageSize]
	}
	return nil
}

// lend is at with a new page, if that is needed. It returns nil if no memory is free.
func (p *pages) lend(offset int64) []byte {
	i, found := p.findPage(offset)
	if !found {
		b := p.memory.Lend(pageSize)
		if b == nil {
			return nil
		}
		p.list = slices.Insert(p.list, i, page{offset - offset%pageSize, b})
	}
	return p.at(offset)
}

// mayLend reports whether memory is free.
func (p *pages) mayLend() bool {
	b := p.memory.Lend(pageSize)
	if b != nil {
		p.memory.ReturnPrefetched(b)
	}
	return b != nil
}

// lent returns the size of all pages in bytes.
func (p *pages) lent() int64 { return int64(len(p.list)) * pageSize }

// free returns the memory of the pages from index i to before j.
func (p *pages) free(i, j int) {
	for _, page := range p.list[i:j] {
		p.memory.ReturnPrefetched(page.buffer)
	}
	p.list = slices.Delete(p.list, i, j)
}

// freeBefore returns the memory of the pages that end at or before offset.
func (p *pages) freeBefore(offset int64) {
	n := 0
	for n < len(p.list) && p.list[n].offset <= offset-pageSize {
		n++
	}
	p.free(0, n)
}

// findSpan returns the index of the first span that ends after offset.
func (p *pages) findSpan(offset int64) int {
	i, _ := slices.BinarySearchFunc(p.written, offset, func(s span, offset int64) int {
		if s.to <= offset {
			return -1
		}
		return 1
	})
	return i
}

// has reports whether the byte at offset was written.
func (p *pages) has(offset int64) bool { return p.endOf(offset) > offset }

// endOf returns the end of the bytes that were written from offset on without a gap; offset if there are none.
func (p *pages) endOf(offset int64) int64 {
	if i := p.findSpan(offset); i < len(p.written) && p.written[i].from <= offset {
		return p.written[i].to
	}
	return offset
}

// gapAt returns the range from offset to the next written byte, but not beyond end.
func (p *pages) gapAt(offset, end int64) span {
	if i := p.findSpan(offset); i < len(p.written) {
		end = min(end, p.written[i].from)
	}
	return span{offset, max(offset, end)}
}

// add declares that bytes were written.
func (p *pages) add(s span) {
	first := p.findSpan(s.from - 1) // it may end at s.from
	last := first
	for ; last < len(p.written) && p.written[last].from <= s.to; last++ {
		s.from, s.to = min(s.from, p.written[last].from), max(s.to, p.written[last].to)
	}
	p.replace(first, last, s)
}

// remove declares that bytes were not written. It does not free their memory.
func (p *pages) remove(s span) {
	if len(p.copied) > 0 {
		p.removeCopies(s)
	}
	first := p.findSpan(s.from)
	last := first
	var rest []span
	for ; last < len(p.written) && p.written[last].from < s.to; last++ {
		if w := p.written[last]; w.from < s.from {
			rest = append(rest, span{w.from, s.from})
		}
		if w := p.written[last]; w.to > s.to {
			rest = append(rest, span{s.to, w.to})
		}
	}
	p.replace(first, last, rest...)
}

// replace replaces the spans from index i to before j.
func (p *pages) replace(i, j int, by ...span) {
	for _, s := range p.written[i:j] {
		p.bytes -= s.to - s.from
	}
	for _, s := range by {
		p.bytes += s.to - s.from
	}
	p.written = slices.Replace(p.written, i, j, by...)
}

// move removes written bytes from offset on, up to the next gap or copy, and copies them to b.
func (p *pages) move(b []byte, offset int64) (n int) {
	b = b[:min(int64(len(b)), p.beforeCopy(offset, p.endOf(offset))-offset)]
	for n < len(b) {
		n += copy(b[n:], p.at(offset+int64(n)))
	}
	p.remove(span{offset, offset + int64(n)})
	return n
}
