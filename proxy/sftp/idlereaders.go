package sftp

import (
	"io"
	"slices"
	"sync"
)

// maxIdleReaders limits the readers of a connection that wait for the next READ: each holds a connection to S3.
const maxIdleReaders = 32

// idleReaders are the handles of a connection whose readers wait for the next READ, the one that waits longest first. While a handle is
// among them, its reader belongs to the list. Methods may be called from many goroutines at once.
type idleReaders struct {
	mu   sync.Mutex
	list []*download
}

// take removes a handle, whose caller then has its reader. That is nil if it was closed meanwhile.
func (i *idleReaders) take(d *download) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if at := slices.Index(i.list, d); at >= 0 {
		i.list = slices.Delete(i.list, at, at+1)
	}
}

// put adds a handle, if its reader has more bytes. If there are too many, it closes the reader that waits longest; the next READ of that
// handle opens another one.
func (i *idleReaders) put(d *download) {
	if d.reader == nil || d.pos == d.until {
		return
	}
	if evicted := i.add(d); evicted != nil {
		evicted.Close()
	}
}

// add adds a handle, and returns the reader to close, or nil.
func (i *idleReaders) add(d *download) (evicted io.Closer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = append(i.list, d)
	if len(i.list) > maxIdleReaders {
		oldest := i.list[0]
		i.list = slices.Delete(i.list, 0, 1)
		evicted, oldest.reader = oldest.reader, nil
	}
	return evicted
}
