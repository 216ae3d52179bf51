package proxy

import (
	"bufio"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/adler32"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// packing is how the data connection is used in MODE Z; its zero value is MODE S.
type packing struct {
	on    bool
	level int // of what is sent
}

// usualLevel is the fastest one: others take several times as long, and the client that gains by it can ask for more.
const usualLevel = zlib.BestSpeed

func (p packing) String() string {
	if p.on {
		return "Z"
	}
	return "S"
}

// cmdMode chooses between bytes as they are and a zlib stream on the data connection (draft-preston-ftpext-deflate-04).
func (s *session) cmdMode(_ context.Context, arg string) (reply, error) {
	switch mode := strings.ToUpper(strings.TrimSpace(arg)); mode {
	case "S", "Z":
		s.packing.on = mode == "Z"
		return reply{200, "Mode is " + s.packing.String() + "."}, nil
	case "B", "C":
		return reply{504, "That mode is not implemented, use MODE S or MODE Z."}, nil
	}
	return reply{501, "There is no such mode, use MODE S or MODE Z."}, nil
}

// optsMode sets how MODE Z compresses, by any number of options with their values, and without one as it was at first. What is
// not understood leaves all as it was.
func (s *session) optsMode(options string) (reply, error) {
	words := strings.Fields(strings.ToUpper(options))
	if len(words)%2 == 0 || words[0] != "Z" {
		return reply{501, "Say OPTS MODE Z, and options with their values."}, nil
	}
	level := usualLevel
	if len(words) > 1 {
		level = s.packing.level
	}
	for i := 1; i < len(words); i += 2 {
		switch option, value := words[i], words[i+1]; {
		case option == "LEVEL" && len(value) == 1 && isNumber(value):
			level, _ = strconv.Atoi(value)
		case option == "ENGINE" && value == "ZLIB", option == "METHOD" && value == "8":
		default:
			return reply{501, "Options are LEVEL, from 0 to 9, ENGINE ZLIB and METHOD 8."}, nil
		}
	}
	s.packing.level = level
	return reply{200, fmt.Sprintf("MODE Z ENGINE ZLIB METHOD 8 LEVEL %d", level)}, nil
}

// mostDeflaters bounds the memory of transfers that compress at a time. Others in MODE Z go uncompressed, which MODE Z allows.
const mostDeflaters = 16

// deflating has an entry for each transfer that compresses.
var deflating = make(chan struct{}, mostDeflaters)

// send has write fill the data connection in the transfer's mode. In MODE Z a download that breaks has no proper end.
func (t *transfer) send(write func(io.Writer) error) error {
	if !t.packing.on {
		return write(t.conn)
	}
	if t.packing.level > zlib.NoCompression {
		select {
		case deflating <- struct{}{}:
			defer func() { <-deflating }()
			d := newDeflater(t.conn, t.packing.level, &t.bytes)
			defer d.free()
			return packed(d, write)
		default:
		}
	}
	return packed(newStorer(t.conn, &t.bytes), write)
}

// packed has write fill a zlib stream, whose end says that it is whole.
func packed(z packer, write func(io.Writer) error) error {
	if err := write(z); err != nil {
		return err
	}
	return z.end()
}

// A packer sends a zlib stream. What is written is on its way when Write returns.
type packer interface {
	io.Writer
	end() error
}

// A storer sends one without compressing, and without memory for it: in stored blocks (RFC 1951, section 3.2.4).
type storer struct {
	out   *bufio.Writer
	sum   hash.Hash32
	bytes *int64 // taken
}

// newStorer counts in bytes what it takes.
func newStorer(w io.Writer, bytes *int64) *storer {
	z := &storer{bufio.NewWriterSize(w, 32<<10), adler32.New(), bytes}
	z.out.Write([]byte{0x78, 0x01}) // RFC 1950, section 2.2
	return z
}

func (z *storer) Write(p []byte) (n int, err error) {
	for block := range slices.Chunk(p, math.MaxUint16) {
		z.block(0, len(block))
		m, err := z.out.Write(block)
		z.sum.Write(block[:m])
		*z.bytes += int64(m)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, z.out.Flush()
}

// block writes the head of one; bufio keeps its error.
func (z *storer) block(last byte, size int) {
	b := binary.LittleEndian.AppendUint16([]byte{last}, uint16(size))
	z.out.Write(binary.LittleEndian.AppendUint16(b, ^uint16(size)))
}

func (z *storer) end() error {
	z.block(1, 0)
	z.out.Write(z.sum.Sum(nil))
	return z.out.Flush()
}

// A deflater compresses.
type deflater struct {
	z     *zlib.Writer // into out
	out   *bufio.Writer
	level int
	bytes *int64 // taken
}

// deflaters are those that nobody uses, by their level. Each has 0.9 to 1.3 MiB.
var deflaters [zlib.BestCompression + 1]sync.Pool

// newDeflater counts in bytes what it takes.
func newDeflater(w io.Writer, level int, bytes *int64) *deflater {
	d, ok := deflaters[level].Get().(*deflater)
	if !ok {
		d = &deflater{out: bufio.NewWriterSize(nil, 32<<10), level: level}
		d.z, _ = zlib.NewWriterLevel(d.out, level) // fails for levels that there are not
	}
	d.out.Reset(w)
	d.z.Reset(d.out)
	d.bytes = bytes
	return d
}

func (d *deflater) Write(p []byte) (n int, err error) {
	if n, err = d.z.Write(p); err == nil {
		err = d.z.Flush()
	}
	*d.bytes += int64(n)
	if err != nil {
		return n, err
	}
	return n, d.out.Flush()
}

// end ends the stream.
func (d *deflater) end() error {
	if err := d.z.Close(); err != nil {
		return err
	}
	return d.out.Flush()
}

// free leaves it to others.
func (d *deflater) free() {
	d.out.Reset(nil)
	d.bytes = nil
	deflaters[d.level].Put(d)
}
