package s3demo

import (
	"crypto/rand"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// A piece is a file of bytes that never change. Objects are made of one or several, parts of an upload of one.
type piece struct {
	ID   string `json:"id"`
	Size int64  `json:"size"`
}

// contents is the directory of all pieces. A piece belongs to one holder when it is written; it may get more, and is
// deleted with the last of them. So a copy costs nothing, and a download may outlive its object.
type contents struct {
	dir string

	mu     sync.Mutex
	shared map[string]int // holders beyond the first
}

// openContents takes a directory over, where used says how many holders each piece has. Others are deleted.
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

// write stores what r yields and feeds it to the digests. A size below 0 is unknown; any other has to be met.
// An error of r comes back as it is, and nothing is left of the piece.
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

// hold adds a holder to each of the pieces, which have one already.
func (c *contents) hold(pieces []piece) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range pieces {
		c.shared[p.ID]++
	}
}

// drop takes a holder away from each of the pieces. What cannot be deleted is swept when the store is opened next.
func (c *contents) drop(pieces []piece) {
	for _, p := range pieces {
		if c.last(p.ID) {
			os.Remove(c.file(p.ID))
		}
	}
}

// last takes a holder away from a piece, and reports whether it was the last.
func (c *contents) last(id string) bool {
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
