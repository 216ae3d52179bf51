package modez

import (
	"bufio"
	"compress/zlib"
	"encoding/binary"
	"hash"
	"hash/adler32"
	"io"
	"math"
	"slices"
	"sync"
)

// DefaultLevel is the fastest compression level. Higher levels take several times as long; a client can select one if it
// gains by that.
const DefaultLevel = zlib.BestSpeed

// MaxCompressing is how many streams a [Compressor] compresses at the same time. It bounds their memory, 0.9 to 1.3 MiB each.
const MaxCompressing = 16

// A Compressor writes zlib streams. It limits how many of them it compresses at the same time, and reuses their memory.
// The zero value is ready to use. A Compressor must not be copied, and may be used by many goroutines at once.
type Compressor struct {
	mu      sync.Mutex
	running int                                 // streams being compressed
	unused  [zlib.BestCompression + 1]sync.Pool // of *deflater, by level
}

// Compress calls write with a writer, and sends the bytes written to that as one zlib stream to w. Each Write sends all its
// bytes before it returns. The level is from 0, without compression, to 9, the slowest.
//
// While MaxCompressing other streams are being compressed, this one has uncompressed blocks.
//
// Compress ends the stream only if write returns nil. Otherwise the stream is truncated, which its reader detects.
func (c *Compressor) Compress(w io.Writer, level int, write func(io.Writer) error) error {
	if level <= zlib.NoCompression || !c.acquire() {
		return complete(newStorer(w), write)
	}
	defer c.release()
	d := c.newDeflater(w, level)
	defer c.recycle(d)
	return complete(d, write)
}

// acquire reports whether one more stream may be compressed, and counts it.
func (c *Compressor) acquire() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == MaxCompressing {
		return false
	}
	c.running++
	return true
}

func (c *Compressor) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
}

// complete calls write with z and, if that succeeds, ends the stream.
func complete(z io.WriteCloser, write func(io.Writer) error) error {
	if err := write(z); err != nil {
		return err
	}
	return z.Close()
}

// A storer writes a zlib stream without compressing, in stored blocks (RFC 1951, section 3.2.4).
type storer struct {
	out *bufio.Writer
	sum hash.Hash32
}

func newStorer(w io.Writer) *storer {
	z := &storer{bufio.NewWriterSize(w, 32<<10), adler32.New()}
	z.out.Write([]byte{0x78, 0x01}) // RFC 1950, section 2.2
	return z
}

func (z *storer) Write(p []byte) (n int, err error) {
	for block := range slices.Chunk(p, math.MaxUint16) {
		z.writeHeader(0, len(block))
		m, err := z.out.Write(block)
		z.sum.Write(block[:m])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, z.out.Flush()
}

// writeHeader writes the header of a block; z.out keeps an error.
func (z *storer) writeHeader(last byte, size int) {
	b := binary.LittleEndian.AppendUint16([]byte{last}, uint16(size))
	z.out.Write(binary.LittleEndian.AppendUint16(b, ^uint16(size)))
}

// Close ends the stream; w stays open.
func (z *storer) Close() error {
	z.writeHeader(1, 0)
	z.out.Write(z.sum.Sum(nil))
	return z.out.Flush()
}

// A deflater writes a compressed zlib stream.
type deflater struct {
	z     *zlib.Writer // into out
	out   *bufio.Writer
	level int
}

// newDeflater returns a deflater for a new stream to w. It reuses one if it can.
func (c *Compressor) newDeflater(w io.Writer, level int) *deflater {
	d, ok := c.unused[level].Get().(*deflater)
	if !ok {
		d = &deflater{out: bufio.NewWriterSize(nil, 32<<10), level: level}
		d.z, _ = zlib.NewWriterLevel(d.out, level) // fails for invalid levels only
	}
	d.out.Reset(w)
	d.z.Reset(d.out)
	return d
}

// recycle makes d available to later streams.
func (c *Compressor) recycle(d *deflater) {
	d.out.Reset(nil)
	c.unused[d.level].Put(d)
}

func (d *deflater) Write(p []byte) (n int, err error) {
	if n, err = d.z.Write(p); err == nil {
		err = d.z.Flush()
	}
	if err != nil {
		return n, err
	}
	return n, d.out.Flush()
}

// Close ends the stream; w stays open.
func (d *deflater) Close() error {
	if err := d.z.Close(); err != nil {
		return err
	}
	return d.out.Flush()
}
