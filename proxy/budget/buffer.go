package budget

import "time"

// The sizes of a buffer in bytes. The first part of an upload starts with a small one, because most files are small.
const (
	BufferSize      = 256 << 10
	SmallBufferSize = 32 << 10
)

// Limits of the returned buffers that are kept for reuse. New memory is expensive: the kernel has to clear each page.
const (
	minUnused  = 32 << 20 // bytes that are kept even if no buffer is in use
	idleUnused = 2 << 20  // bytes that are kept if no buffer has been in use for idleTime
	idleTime   = 10 * time.Second
)

// bufferLists are the returned buffers that are kept for reuse, small ones and others. Without them, each part of an upload
// would leave garbage, which adds up to as much memory as is in use before the garbage collector runs.
type bufferLists [2][][]byte

// list returns the list of buffers of n bytes.
func (l *bufferLists) list(n int) *[][]byte { return &l[n/BufferSize] }

// buffer returns a buffer of n bytes, which must have been granted. It reuses a returned one if it can.
func (b *Budget) buffer(n int64) []byte {
	if buffer := b.reuse(int(n)); buffer != nil {
		return buffer
	}
	return make([]byte, n)
}

func (b *Budget) reuse(n int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.unused.list(n)
	last := len(*list) - 1
	if last < 0 {
		return nil
	}
	buffer := (*list)[last]
	(*list)[last] = nil
	*list = (*list)[:last]
	return buffer
}

// put returns buffers to the budget. It keeps a limited number of them for reuse: together with those in use, they take no
// more memory than the budget, and alone at most half of it.
func (b *Budget) put(buffers [][]byte) {
	for _, buffer := range buffers {
		buffer = buffer[:cap(buffer)]
		if len(buffer) != SmallBufferSize && len(buffer) != BufferSize {
			continue // not from the budget
		}
		b.used -= int64(len(buffer))
		list := b.unused.list(len(buffer))
		if int64(len(*list)+1)*int64(len(buffer)) <= min(b.used/2+minUnused, b.size/2, b.size-b.used) {
			*list = append(*list, buffer)
		}
	}
	if b.used == 0 {
		b.freeWhenIdle()
	}
}

// freeWhenIdle frees most of the unused buffers after idleTime.
func (b *Budget) freeWhenIdle() {
	if b.idle != nil {
		b.idle.Reset(idleTime)
		return
	}
	b.idle = time.AfterFunc(idleTime, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.used > 0 {
			return // put starts the timer again
		}
		for i, size := range []int{SmallBufferSize, BufferSize} {
			if keep := idleUnused / size; len(b.unused[i]) > keep {
				b.unused[i] = append([][]byte(nil), b.unused[i][:keep]...)
			}
		}
	})
}

// roundUp returns the total size of the buffers for size bytes, where the first buffer may be a small one.
func roundUp(size int64, startSmall bool) int64 {
	if startSmall {
		return SmallBufferSize + roundUp(max(size-SmallBufferSize, 0), false)
	}
	return (size + BufferSize - 1) / BufferSize * BufferSize
}
