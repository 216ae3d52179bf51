package s3fs

// What S3 takes: the part numbers of an upload begin with firstPart, by which our own uploads can be told from
// other programs', and every part but the last has at least minPart bytes.
const (
	firstPart = 101
	minPart   = 5 << 20
	mebibyte  = 1 << 20
)

// parts plans the sizes of an upload's parts.
type parts struct {
	numbers int   // how many there may be
	base    int64 // the smallest, and the first
	most    int64 // the largest
	uniform bool  // all but the last must be of one size
	size    int64 // announced for the whole; 0 = unknown
}

// plan returns the sizes for a content of size bytes, 0 where that is unknown.
func (f *FS) plan(size int64) parts {
	most := f.memory.largestPart() / slabSize * slabSize
	base := (f.partSize + slabSize - 1) / slabSize * slabSize
	p := parts{numbers: f.maxParts - firstPart + 1, base: min(max(base, minPart), most), most: most, uniform: f.uniform, size: size}
	if p.uniform {
		p.base = min(max(p.base, p.share(size, p.numbers)), most)
	}
	return p
}

// capacity returns how many bytes an upload takes whose parts are all full.
func (p parts) capacity() int64 {
	if p.size > 0 {
		return int64(p.numbers) * p.most
	}
	total := int64(0)
	for i := range p.numbers {
		total += p.next(i, total)
	}
	return total
}

// next returns the size of part i, counted from 0, where so many bytes went before it.
//
// Of a known length, each part takes its share of the rest. Otherwise parts double every tenth of the numbers.
func (p parts) next(i int, before int64) int64 {
	switch {
	case p.uniform:
		return p.base
	case p.size > before:
		return min(max(p.base, p.share(p.size-before, p.numbers-i)), p.most)
	}
	return min(p.base<<min(10*i/p.numbers, 20), p.most)
}

// least returns how much of a part of size bytes is enough to send it, when memory for the rest is wanting.
func (p parts) least(size int64) int64 {
	if p.uniform {
		return size
	}
	return max(size/2, minPart)
}

func (parts) share(size int64, n int) int64 {
	each := (size + int64(n) - 1) / int64(max(n, 1))
	return (each + mebibyte - 1) / mebibyte * mebibyte
}
