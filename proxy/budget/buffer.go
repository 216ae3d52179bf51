package budget

import (
	"slices"
	"time"
)

// The sizes of a buffer in bytes. The first part of an upload starts with a small one, because most files are small. A download
// borrows a large one: it needs a single buffer, and reads more at a time with it.
const (
	SmallBufferSize = 32 << 10
	BufferSize      = 512 << 10
	largeBufferSize = 1 << 20
)

// Limits of the returned buffers that are kept for reuse. New memory is expensive: the kernel has to clear each page.
const (
	minUnused  = 32 << 20 // bytes that are kept even if no buffer is in use
	idleUnused = 2 << 20  // bytes that are kept if no buffer has been in use for idleTime
	idleTime   = 10 * time.Second
)

// bufferSizes are the sizes in the order of the lists of unusedBuffers.
var bufferSizes = [3]int{SmallBufferSize, BufferSize, largeBufferSize}

// unusedBuffers are the returned buffers that are kept for reuse. Without them, each part of an upload would leave garbage, which
// adds up to as much memory as is in use before the garbage collector runs.
type unusedBuffers struct {
	lists [len(bufferSizes)][][]byte // by size
	bytes int64                      // of all
}

// take removes a buffer of n bytes and returns it; nil if there is none.
func (u *unusedBuffers) take(n int) (buffer []byte) {
	list := &u.lists[n/BufferSize]
	last := len(*list) - 1
	if last < 0 {
		return nil
	}
	buffer = (*list)[last]
	(*list)[last] = nil
	*list = (*list)[:last]
	u.bytes -= int64(n)
	return buffer
}

// add keeps a buffer if all together are at most limit bytes then. It frees others of another size before this one.
func (u *unusedBuffers) add(buffer []byte, limit int64) {
	n := len(buffer)
	u.trim(limit-int64(n), n)
	if u.bytes+int64(n) <= limit {
		list := &u.lists[n/BufferSize]
		*list = append(*list, buffer)
		u.bytes += int64(n)
	}
}

// trim frees buffers of all sizes but one until at most limit bytes are left, as far as that suffices.
func (u *unusedBuffers) trim(limit int64, but int) {
	for _, size := range bufferSizes {
		for size != but && u.bytes > limit && u.take(size) != nil {
		}
	}
}

// buffer returns a buffer of n bytes, which must have been granted. It reuses a returned one if it can.
func (b *Budget) buffer(n int64) []byte {
	buffer, begins := b.reuse(int(n))
	if begins && b.OnUse != nil {
		b.OnUse()
	}
	if buffer == nil {
		buffer = make([]byte, n)
	}
	return buffer
}

// reuse returns a returned buffer of n bytes, or nil if one must be made; and whether the budget was idle before.
func (b *Budget) reuse(n int) (buffer []byte, begins bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	begins, b.busy = !b.busy, true
	b.out += int64(n)
	if buffer = b.unused.take(n); buffer == nil {
		b.unused.trim(b.size-b.out, n)
	}
	return buffer, begins
}

// put returns buffers to a region, and reports how many bytes. It keeps a limited number of them for reuse: together with those
// in use, they take no more memory than the budget.
func (b *Budget) put(r *region, buffers [][]byte) (bytes int64) {
	for _, buffer := range buffers {
		buffer = buffer[:cap(buffer)]
		if !isOurs(buffer) {
			continue
		}
		bytes += int64(len(buffer))
		r.used -= int64(len(buffer))
		b.out -= int64(len(buffer))
		b.unused.add(buffer, min(b.used()/2+minUnused, b.size-b.out))
	}
	if b.used() == 0 {
		b.freeWhenIdle()
	}
	return bytes
}

// isOurs reports whether a buffer is from a budget. An upload makes some of its own, of a few bytes.
func isOurs(buffer []byte) bool { return slices.Contains(bufferSizes[:], cap(buffer)) }

// sizeOf returns the bytes of those buffers that are from a budget.
func sizeOf(buffers [][]byte) (bytes int64) {
	for _, buffer := range buffers {
		if isOurs(buffer) {
			bytes += int64(cap(buffer))
		}
	}
	return bytes
}

// freeWhenIdle frees most of the unused buffers after idleTime.
func (b *Budget) freeWhenIdle() {
	if b.idle != nil {
		b.idle.Reset(idleTime)
		return
	}
	b.idle = time.AfterFunc(idleTime, func() {
		if b.freeUnused() && b.OnUse != nil {
			b.OnUse()
		}
	})
}

// freeUnused frees most of the unused buffers, unless one is in use again. It reports whether it did.
func (b *Budget) freeUnused() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used() > 0 {
		return false // put starts the timer again
	}
	for _, size := range bufferSizes {
		for len(b.unused.lists[size/BufferSize]) > idleUnused/size {
			b.unused.take(size)
		}
	}
	b.busy = false
	return true
}

// roundUp returns the total size of the buffers for size bytes, where the first buffer may be a small one.
func roundUp(size int64, startSmall bool) int64 {
	if startSmall {
		return SmallBufferSize + roundUp(max(size-SmallBufferSize, 0), false)
	}
	return (size + BufferSize - 1) / BufferSize * BufferSize
}
