package s3demo

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// read returns a reader of length bytes from an offset in pieces. Close releases the pieces: the caller must have retained
// them for the reader.
func (c *contents) read(pieces []piece, offset, length int64) *reader {
	r := &reader{from: c, retained: pieces, left: length}
	for len(pieces) > 0 && offset >= pieces[0].Size {
		offset -= pieces[0].Size
		pieces = pieces[1:]
	}
	r.next, r.skip = pieces, offset
	return r
}

// A reader reads a range of an object, one piece after the other.
type reader struct {
	from     *contents
	retained []piece // released by Close

	next  []piece // not yet opened
	skip  int64   // bytes to skip in the first of next
	left  int64   // bytes to read
	piece io.LimitedReader
	file  *os.File // of piece
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.advance(); err != nil {
		return 0, err
	}
	n, err := r.piece.Read(p)
	r.left -= int64(n)
	if err == io.EOF && n == 0 {
		err = io.ErrUnexpectedEOF // the file is shorter than its record says
	}
	return n, err
}

// WriteTo implements io.WriterTo. If w is a connection, the kernel copies the bytes (sendfile).
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if err := r.advance(); err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
		n, err := io.Copy(w, &r.piece)
		total, r.left = total+n, r.left-n
		if err == nil && r.piece.N > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return total, err
		}
	}
}

// advance opens the next piece if the current one has ended. At the end of the range it returns io.EOF.
func (r *reader) advance() error {
	if r.left == 0 {
		return io.EOF
	}
	for r.piece.N == 0 {
		if len(r.next) == 0 {
			return io.ErrUnexpectedEOF
		}
		if err := r.open(r.next[0]); err != nil {
			return err
		}
		r.next, r.skip = r.next[1:], 0
	}
	return nil
}

func (r *reader) open(p piece) error {
	f, err := os.Open(r.from.file(p.ID))
	if err != nil {
		return fmt.Errorf("opening a piece: %w", err)
	}
	if _, err := f.Seek(r.skip, io.SeekStart); err != nil {
		return errors.Join(fmt.Errorf("opening a piece: %w", err), f.Close())
	}
	r.closeFile()
	r.file, r.piece = f, io.LimitedReader{R: f, N: min(p.Size-r.skip, r.left)}
	return nil
}

func (r *reader) closeFile() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// Close closes the file and releases the pieces.
func (r *reader) Close() error {
	r.closeFile()
	r.from.release(r.retained)
	r.retained, r.left = nil, 0
	return nil
}
