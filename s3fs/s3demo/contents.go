package s3demo

import (
	"crypto/rand"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// A piece is an immutable file. An object has one or more pieces, a part of an upload has one.
type piece struct {
	ID   string `json:"id"`
	Size int64  `json:"size"`
}

// contents is the directory of all pieces, with reference counts. A new piece has one reference; it is deleted with its
// last one. So copies share pieces, and a download can outlive its object.
type contents struct {
	dir string

	mu     sync.Mutex
	shared map[string]int // references beyond the first
}

// openContents opens a directory. used has the reference counts; pieces without a reference are deleted.
func openContents(dir string, used map[string]int) (*contents, error) {
	c := &contents{dir: dir, shared: map[string]int{}}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		switch n := used[f.Name()]; {
		case n == 0:
			if err := os.Remove(c.file(f.Name())); err != nil {
				return nil, err
			}
		case n > 1:
			c.shared[f.Name()] = n - 1
		}
	}
	return c, nil
}

func (c *contents) file(id string) string { return filepath.Join(c.dir, id) }

// write writes a new piece from r and adds the bytes to the digests. size must match, unless it is negative, which means
// unknown. After an error, which may be that of r, there is no piece.
func (c *contents) write(r io.Reader, size int64, digests ...hash.Hash) (piece, error) {
	p := piece{ID: rand.Text()}
	f, err := os.OpenFile(c.file(p.ID), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return piece{}, err
	}
	w := io.Writer(f)
	for _, d := range digests {
		w = io.MultiWriter(d, w)
	}
	p.Size, err = io.CopyBuffer(w, struct{ io.Reader }{r}, make([]byte, bufferSize(size)))
	if err == nil && size >= 0 && p.Size != size {
		err = refuse("IncompleteBody")
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(f.Name())
		return piece{}, err
	}
	return p, nil
}

func bufferSize(size int64) int64 {
	const largest = 256 << 10
	if size < 0 {
		return largest
	}
	return min(max(size, 512), largest)
}

// retain adds a reference to each piece. The caller must already have one.
func (c *contents) retain(pieces []piece) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range pieces {
		c.shared[p.ID]++
	}
}

// release removes a reference of each piece, and deletes pieces without references. If that fails, the next Open deletes them.
func (c *contents) release(pieces []piece) {
	for _, p := range pieces {
		if c.releaseLast(p.ID) {
			os.Remove(c.file(p.ID))
		}
	}
}

// releaseLast removes a reference of a piece, and reports whether it was the last one.
func (c *contents) releaseLast(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.shared[id]
	if n == 0 {
		return true
	}
	if n == 1 {
		delete(c.shared, id)
	} else {
		c.shared[id] = n - 1
	}
	return false
}
