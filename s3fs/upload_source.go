package s3fs

import (
	"context"
	"errors"
	"io"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// runs reads a source: Read returns its new bytes, and errCopy before each copy, which takeCopy returns.
type runs struct {
	ctx  context.Context
	src  proxy.Source
	new  io.Reader   // the present run, if it is of new bytes
	copy *proxy.Copy // the present run, if it is a copy
	end  error       // of the source
}

// errCopy says that the next run is a copy.
var errCopy = errors.New("the next run is a copy")

// first returns the first run if it is a copy, nil if it is not. Read and takeCopy return it again.
func (r *runs) first() (*proxy.Copy, error) {
	for r.new == nil && r.copy == nil && r.end == nil {
		r.next()
	}
	if r.end == io.EOF {
		return nil, nil
	}
	return r.copy, r.end
}

// Read implements io.Reader. It ends with io.EOF when the source has.
func (r *runs) Read(p []byte) (int, error) {
	for {
		switch {
		case r.end != nil:
			return 0, r.end
		case r.copy != nil:
			return 0, errCopy
		case r.new == nil:
			r.next()
			continue
		}
		n, err := r.new.Read(p)
		if err == io.EOF {
			r.new, err = nil, nil
			if n == 0 {
				continue
			}
		}
		r.end = err
		return n, err
	}
}

// takeCopy returns the copy that Read has stopped at. Read goes on behind it.
func (r *runs) takeCopy() *proxy.Copy {
	c := r.copy
	r.copy = nil
	return c
}

// next asks for the next run. A copy of no bytes is none.
func (r *runs) next() {
	run, err := r.src.Next(r.ctx)
	if err != nil {
		r.end = err
		return
	}
	if r.new = run.New; run.Copy != nil && run.Copy.Length != 0 {
		r.copy = run.Copy
	}
}
