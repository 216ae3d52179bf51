package s3fs

// Slabs are the pieces that memory is handed out in. An upload begins with a small one, as most files are small.
const (
	slabSize  = 256 << 10
	smallSlab = 32 << 10

	spareSlabs = 8 << 20 // bytes that are kept for the next upload
)

// spares are the slabs that are not out, small and big ones. There are only so many of them that an upload that goes on
// finds those it has just given back: the collector would let as many pile up again as are in use.
type spares [2][][]byte

// slabs returns the memory that a part of size bytes takes, which is a whole number of slabs.
func slabs(size int64, first bool) int64 {
	if first {
		return smallSlab + slabs(max(size-smallSlab, 0), false)
	}
	return (size + slabSize - 1) / slabSize * slabSize
}

// slab returns a slab that was granted: one that has come back, or a new one.
func (m *Memory) slab(n int64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.spares.list(int(n))
	last := len(*l) - 1
	if last < 0 {
		return make([]byte, n)
	}
	slab := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	return slab
}

// back takes slabs back, and keeps them for the next while they are not too many.
func (m *Memory) back(slabs [][]byte) {
	for _, s := range slabs {
		s = s[:cap(s)]
		if len(s) != smallSlab && len(s) != slabSize {
			continue // not from here
		}
		m.used -= int64(len(s))
		if l := m.spares.list(len(s)); int64(len(*l)+1)*int64(len(s)) <= m.used/2+spareSlabs {
			*l = append(*l, s)
		}
	}
}

// list returns the slabs of n bytes that are not out.
func (s *spares) list(n int) *[][]byte { return &s[n/slabSize] }
