package s3fs

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// A download is the content of a file from some offset on. It begins as the one stream that Open asked for, and goes
// over to ranges that are fetched ahead, in parallel, while S3's single connection is what holds it up.
//
// What is delivered comes from front until that has ended, then from the ranges ahead, one after the other.
type download struct {
	*version
	ctx    context.Context // of Open
	name   string
	info   info
	at     int64 // all before it has been delivered
	direct int64 // where front began
	front  *stream
	ahead  []*stretch
	spans  context.Context    // of those ahead
	stop   context.CancelFunc // nil = there were none
	pace   *readPace
	proof  *proof // nil = the content cannot be verified
	slab   []byte // memory of the last chunk, if it was fetched ahead
	rest   []byte // of the last chunk, for the next Read
	err    error  // the end, once it was reached
}

func newDownload(ctx context.Context, v *version, offset int64, body io.ReadCloser) *download {
	return &download{
		version: v,
		ctx:     ctx,
		at:      offset,
		direct:  offset,
		front:   &stream{version: v, ctx: ctx, at: offset, end: v.size, body: body},
		pace:    newReadPace(),
	}
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.rest) == 0 {
		chunk, err := d.next(p)
		if err != nil {
			return 0, err
		}
		if d.slab == nil {
			return len(chunk), nil // it is in p
		}
		d.rest = chunk
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// WriteTo implements io.WriterTo, through memory from the budget.
func (d *download) WriteTo(w io.Writer) (total int64, err error) {
	m := d.fs.memory
	buf, err := m.borrow(d.ctx, d.fs.stall)
	if err != nil {
		return 0, wrap("read", d.name, err)
	}
	defer m.free(buf)
	for {
		chunk := d.rest
		if d.rest = nil; len(chunk) == 0 {
			if chunk, err = d.next(buf); err == io.EOF {
				return total, nil
			} else if err != nil {
				return total, err
			}
		}
		n, err := w.Write(chunk)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// next returns the next chunk of the content, at least one byte: in buf, or in a slab that is the caller's until the
// next call. An error is the end of it all, and io.EOF means that everything was delivered as S3 keeps it.
func (d *download) next(buf []byte) ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	begin := time.Now()
	d.release()
	d.lookAhead()
	chunk, err := d.chunk(buf)
	if err == io.EOF {
		err = d.proof.verdict()
	}
	if err != nil {
		if err != io.EOF {
			err = wrap("read", d.name, err)
		}
		d.err = err
		return nil, err
	}
	d.at += int64(len(chunk))
	d.proof.add(chunk)
	d.pace.took(int64(len(chunk)), begin, d.fs.memory.roomy)
	return chunk, nil
}

// chunk waits for bytes from where they are due to come.
func (d *download) chunk(buf []byte) ([]byte, error) {
	for d.at < d.size {
		if d.front.at < d.front.end {
			n, err := d.front.Read(buf)
			return buf[:n], err
		}
		d.front.close()
		if len(d.ahead) == 0 {
			d.direct = d.at
			d.front = &stream{version: d.version, ctx: d.ctx, at: d.at, end: d.size}
			continue
		}
		slab, ok := <-d.ahead[0].slabs
		if ok {
			d.slab = slab
			return slab, nil
		}
		if err := d.ahead[0].err; err != nil {
			return nil, err
		}
		d.ahead = d.ahead[1:]
	}
	return nil, io.EOF
}

// release gives back the slab of the last chunk.
func (d *download) release() {
	if d.slab != nil {
		d.fs.memory.freeSpare(d.slab)
		d.slab, d.rest = nil, nil
	}
}

// Close implements io.Closer. What has not been read is not fetched, and all memory is given back.
func (d *download) Close() error {
	if d.err == nil {
		d.err = wrap("read", d.name, fs.ErrClosed)
	}
	if d.stop != nil {
		d.stop()
	}
	d.release()
	err := d.front.close()
	for _, s := range d.ahead {
		for slab := range s.slabs {
			d.fs.memory.freeSpare(slab)
		}
	}
	d.ahead = nil
	return err
}

// Stat describes the version of the file that is being read.
func (d *download) Stat() (fs.FileInfo, error) { return &d.info, nil }
