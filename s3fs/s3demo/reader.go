package s3demo

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// read returns length bytes from offset on of the pieces, which the reader holds until it is closed.
// The caller has held them already, on the reader's behalf.
func (c *contents) read(pieces []piece, offset, length int64) *reader {
	r := &reader{from: c, held: pieces, left: length}
	for len(pieces) > 0 && offset >= pieces[0].Size {
		offset -= pieces[0].Size
		pieces = pieces[1:]
	}
	r.next, r.skip = pieces, offset
	return r
}

// A reader reads a range of an object, opening one file after the other.
type reader struct {
	from *contents
	held []piece // until Close

	next  []piece // not yet opened
	skip  int64   // bytes to leave out of the first of them
	left  int64   // bytes to come
	piece io.LimitedReader
	file  *os.File // behind piece
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

// WriteTo lets the kernel move the bytes, where w is a connection.
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

// advance makes sure that the current piece has bytes to come, or returns io.EOF at the end.
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
	r.shut()
	r.file, r.piece = f, io.LimitedReader{R: f, N: min(p.Size-r.skip, r.left)}
	return nil
}

func (r *reader) shut() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// Close ends the reading and gives the pieces up.
func (r *reader) Close() error {
	r.shut()
	r.from.drop(r.held)
	r.held, r.left = nil, 0
	return nil
}
