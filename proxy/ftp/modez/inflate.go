package modez

import (
	"bufio"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

var (
	// ErrTruncated means that the zlib stream ended early. The bytes read so far are right, and an upload of them can be resumed.
	ErrTruncated = errors.New("zlib stream is truncated")

	// ErrCorrupt means that the zlib stream is invalid. The bytes read so far may be wrong, so none may be kept for resuming.
	ErrCorrupt = errors.New("zlib stream is corrupt")

	// ErrNotZlib means that the first bytes are not the header of a zlib stream. No byte was decompressed, so an upload that
	// the stream resumes stays resumable.
	ErrNotZlib = errors.New("not a zlib stream")

	// ErrExpands means that the zlib stream expands more than real files, as a decompression bomb does.
	ErrExpands = errors.New("zlib stream expands too much")

	// ErrStalled means that bytes of the zlib stream keep arriving, but contain no data. It wraps os.ErrDeadlineExceeded.
	ErrStalled = fmt.Errorf("zlib stream contains no data: %w", os.ErrDeadlineExceeded)
)

// One byte of a stream may expand to 1,032 bytes (RFC 1951), as in empty disk images. So the first 4 GiB of a file may have any
// factor. Beyond them the limit is 200, which is enough for logs and sparse images, but does not let 1 GiB become 1 TiB.
const (
	freeExpansion = 4 << 30
	maxExpansion  = 200
)

// A Reader decompresses a zlib stream. It returns io.EOF only if the stream is complete, its checksum is right, and the source
// returns io.EOF after it. Otherwise it returns the error of the source, or one of this package.
//
// It holds back the last byte until it knows how the stream ends, so that a truncated upload never has the size of the
// complete file. A Reader is not reused, so that no upload can contain bytes of another.
type Reader struct {
	wire  wire
	in    *bufio.Reader
	z     io.Reader // nil before the first Read
	buf   []byte
	out   []byte // the part of buf that is decompressed and not yet returned
	err   error  // after out; nil = unknown yet
	total int64  // decompressed
	free  int64  // freeExpansion
}

// NewReader returns a Reader for the stream that r reads. It fails with [ErrStalled] when bytes have arrived for longer than
// stall but contained no data. When no bytes arrive, r itself must fail.
func NewReader(r io.Reader, stall time.Duration) *Reader {
	return &Reader{wire: wire{r: r, stall: stall}, buf: make([]byte, 32<<10), free: freeExpansion}
}

func (r *Reader) Read(p []byte) (int, error) {
	for len(r.out) <= 1 && r.err == nil {
		r.fill()
	}
	ready := len(r.out)
	if r.err != io.EOF {
		ready = max(ready-1, 0)
	}
	if ready == 0 {
		return 0, r.err
	}
	n := copy(p, r.out[:ready])
	r.out = r.out[n:]
	return n, nil
}

// fill decompresses more, and appends it to the rest of out.
func (r *Reader) fill() {
	r.wire.since, r.wire.idle = time.Now(), 0
	rest := copy(r.buf, r.out)
	n, err := r.inflate(r.buf[rest:])
	r.out, r.err = r.buf[:rest+n], err
}

func (r *Reader) inflate(p []byte) (n int, err error) {
	if r.z == nil {
		r.in = bufio.NewReaderSize(&r.wire, 32<<10)
		if r.z, err = zlib.NewReader(r.in); err != nil {
			if err = streamError(err); errors.Is(err, ErrCorrupt) {
				err = ErrNotZlib
			}
			return 0, err
		}
	}
	n, err = r.z.Read(p)
	r.total += int64(n)
	switch {
	case err == io.EOF:
		return n, r.end()
	case err != nil:
		return n, streamError(err)
	case r.total > r.free && r.total/maxExpansion > r.wire.bytes:
		return n, ErrExpands
	}
	return n, nil
}

// end returns the error of the source after the end of the stream: io.EOF if nothing follows.
func (r *Reader) end() error {
	_, err := r.in.ReadByte()
	if err == nil {
		return fmt.Errorf("%w: bytes follow its end", ErrCorrupt)
	}
	return err
}

// streamError translates an error of zlib, and returns one of the source as it is.
func streamError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTruncated
	}
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	if corrupt || errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrDictionary) || errors.Is(err, zlib.ErrChecksum) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// wire is the source of a Reader. It fails when it has read bytes for longer than stall that contained no data, such as empty
// blocks. Because compress/flate returns no data before it has 32 KiB, slow bytes get more time: stall again for each 512
// of them.
type wire struct {
	r     io.Reader
	bytes int64     // read
	since time.Time // the last data
	idle  int64     // bytes since then
	stall time.Duration
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.bytes += int64(n)
	w.idle += int64(n)
	if err == nil && time.Since(w.since)/time.Duration(1+w.idle/512) > w.stall {
		err = ErrStalled
	}
	return n, err
}
