package s3fs

// spare returns slabs of together n bytes for what is read ahead, or nil if that half of the budget which is for it
// has no room, or somebody waits for memory. It does not wait, and no upload relies on these slabs coming back: when
// they do is up to the client of a download.
func (m *Memory) spare(n int64) [][]byte {
	m.mu.Lock()
	ok := len(m.waiting) == 0 && m.used+n <= m.size/2
	if ok {
		m.used += n
		m.ahead += n
	}
	m.mu.Unlock()
	if !ok {
		return nil
	}
	slabs := make([][]byte, n/slabSize)
	for i := range slabs {
		slabs[i] = m.slab(slabSize)
	}
	return slabs
}

// freeSpare takes slabs back that spare has given.
func (m *Memory) freeSpare(slabs ...[]byte) {
	m.mu.Lock()
	m.ahead -= int64(len(slabs)) * slabSize
	m.mu.Unlock()
	m.free(slabs...)
}
