package proxy

import (
	"bufio"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// errCut is why an upload in MODE Z is refused whose zlib stream has no end. What came of it can be gone on with.
var errCut = errors.New("the zlib stream was cut")

// errDamaged is why one is refused whose zlib stream is wrong. As nobody knows from where on, nothing of it is kept.
var errDamaged = fmt.Errorf("the zlib stream is damaged: %w", syscall.EBADMSG)

// errNoStream is why one is refused that does not begin as a zlib stream does. Nothing was taken of it, so nothing is spoilt.
var errNoStream = errors.New("what came is no zlib stream")

// errExpands is why one is refused that expands beyond what files do.
var errExpands = errors.New("the zlib stream expands too much")

// A byte may expand to 1,032 (RFC 1951), and those of empty disks do. So the first 4 GiB of a file may be anything, and beyond
// them logs and sparse images still fit, but nobody makes a terabyte out of a gigabyte.
const (
	freeExpansion = 4 << 30
	mostExpansion = 200
)

// An inflater is what was sent in MODE Z (draft-preston-ftpext-deflate-04), inflated. It ends with io.EOF only if the zlib stream
// came to its end, its checksum is right, and r ended there with io.EOF; else with r's error, or one of those above.
//
// The last byte is not given out before: all of a file is never there as one that broke, and could be taken for stored.
// It is not reused, so that no upload can ever have the bytes of another.
type inflater struct {
	wire  deflated
	in    *bufio.Reader
	z     io.Reader // nil before the first byte is asked for
	buf   []byte
	out   []byte // in buf, inflated and not given out
	err   error  // what follows out; nil = not known
	total int64  // inflated
	free  int64  // of total, may have expanded from anything
	bytes *int64 // given out
}

// newInflater counts in bytes what it gives out. When nothing comes of what r brings for so long, it fails.
func newInflater(r io.Reader, stall time.Duration, bytes *int64) *inflater {
	return &inflater{wire: deflated{r: r, patience: stall}, buf: make([]byte, 32<<10), free: freeExpansion, bytes: bytes}
}

// received is what the client sends, in the transfer's mode.
func (t *transfer) received() io.Reader {
	if !t.packing.on {
		return t.conn
	}
	return newInflater(t.conn, t.stall, &t.bytes)
}

func (i *inflater) Read(p []byte) (int, error) {
	for len(i.out) <= 1 && i.err == nil {
		i.fill()
	}
	free := len(i.out)
	if i.err != io.EOF {
		free = max(free-1, 0)
	}
	if free == 0 {
		return 0, i.err
	}
	n := copy(p, i.out[:free])
	i.out = i.out[n:]
	*i.bytes += int64(n)
	return n, nil
}

// fill inflates more behind what is left.
func (i *inflater) fill() {
	i.wire.since, i.wire.vain = time.Now(), 0
	kept := copy(i.buf, i.out)
	n, err := i.inflate(i.buf[kept:])
	i.out, i.err = i.buf[:kept+n], err
}

func (i *inflater) inflate(p []byte) (n int, err error) {
	if i.z == nil {
		i.in = bufio.NewReaderSize(&i.wire, 32<<10)
		if i.z, err = zlib.NewReader(i.in); err != nil {
			if err = streamError(err); errors.Is(err, errDamaged) {
				err = errNoStream
			}
			return 0, err
		}
	}
	n, err = i.z.Read(p)
	i.total += int64(n)
	switch {
	case err == io.EOF:
		return n, i.end()
	case err != nil:
		return n, streamError(err)
	case i.total > i.free && i.total/mostExpansion > i.wire.bytes:
		return n, errExpands
	}
	return n, nil
}

// end is how r ends behind the end of the stream.
func (i *inflater) end() error {
	_, err := i.in.ReadByte()
	if err == nil {
		return fmt.Errorf("%w: more follows its end", errDamaged)
	}
	return err
}

// streamError is what an error of zlib says about the stream; one of reading it stays as it is.
func streamError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errCut
	}
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	if corrupt || errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrDictionary) || errors.Is(err, zlib.ErrChecksum) {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// A deflated stream is what comes over the wire. It fails when it has brought bytes for longer than its patience, and nothing
// came of them: empty blocks are no progress. But compress/flate gives nothing out before it has 32 KiB, so that bytes that
// come slowly are given time: for each 512 of them, the patience once more.
type deflated struct {
	r        io.Reader
	bytes    int64
	since    time.Time // nothing came of it
	vain     int64     // bytes since then
	patience time.Duration
}

func (d *deflated) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.bytes += int64(n)
	d.vain += int64(n)
	if err == nil && time.Since(d.since)/time.Duration(1+d.vain/512) > d.patience {
		err = dataError{fmt.Errorf("nothing comes of the zlib stream: %w", os.ErrDeadlineExceeded)}
	}
	return n, err
}
