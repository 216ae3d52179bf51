package modez

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// zlibStream returns content as a zlib stream.
func zlibStream(t testing.TB, level int, content []byte) []byte {
	t.Helper()
	return compress(t, new(Compressor), level, content)
}

// compress returns content as a zlib stream of c.
func compress(t testing.TB, c *Compressor, level int, content []byte) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	err := c.Compress(b, level, func(w io.Writer) error {
		n, err := w.Write(content)
		if n != len(content) {
			t.Errorf("Write returned %d, want %d", n, len(content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inflate decompresses a stream, and returns an error like io.ReadAll.
func inflate(r io.Reader) ([]byte, error) { return io.ReadAll(NewReader(r, time.Hour)) }

// chunkings split a stream into the bytes of single reads.
var chunkings = map[string]func(io.Reader) io.Reader{
	"at once":                          func(r io.Reader) io.Reader { return r },
	"byte by byte":                     iotest.OneByteReader,
	"in halves":                        iotest.HalfReader,
	"end with last byte":               iotest.DataErrReader,
	"byte by byte, end with last byte": func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.OneByteReader(r)) },
}

// contents returns contents that compress well and badly, some of which take several reads to decompress.
func contents() [][]byte {
	noise := make([]byte, 100<<10)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	return [][]byte{{}, []byte("a"), []byte(strings.Repeat("line\n", 20000)), make([]byte, 32<<10), make([]byte, 32<<10+1), noise}
}

func TestDeflateInflate(t *testing.T) {
	for _, content := range contents() {
		for level := range zlib.BestCompression + 1 {
			stream := zlibStream(t, level, content)
			for name, chunks := range chunkings {
				if got, err := inflate(chunks(bytes.NewReader(stream))); !bytes.Equal(got, content) || err != nil {
					t.Errorf("level %d, source %s: %d bytes, %v; want %d", level, name, len(got), err, len(content))
				}
			}
			got, err := io.ReadAll(iotest.OneByteReader(NewReader(bytes.NewReader(stream), time.Hour)))
			if !bytes.Equal(got, content) || err != nil {
				t.Errorf("level %d, read byte by byte: %d bytes, %v; want %d", level, len(got), err, len(content))
			}
		}
	}
}

// Written bytes must be decompressible before the next Write, because clients show listings while they arrive.
func TestCompressFlushes(t *testing.T) {
	for level := range zlib.BestCompression + 1 {
		sent := new(bytes.Buffer)
		err := new(Compressor).Compress(sent, level, func(w io.Writer) error {
			if _, err := io.WriteString(w, "one\r\n"); err != nil {
				return err
			}
			z, err := zlib.NewReader(bytes.NewReader(sent.Bytes()))
			if err != nil {
				return err
			}
			got := make([]byte, 5)
			if _, err := io.ReadFull(z, got); string(got) != "one\r\n" || err != nil {
				t.Errorf("level %d: %q, %v", level, got, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("level %d: %v", level, err)
		}
	}
}

// Beyond the limit a stream is not compressed, but is still a valid zlib stream. When the others have ended, also by an error or
// a panic, streams are compressed again.
func TestMaxCompressing(t *testing.T) {
	c, content := new(Compressor), []byte(strings.Repeat("a", 1000))
	errBroken := errors.New("broken")
	for _, end := range []error{nil, errBroken} {
		var nest func(streams int) error
		nest = func(streams int) error {
			stream := compress(t, c, 1, content)
			if full := streams == MaxCompressing; full != (len(stream) > 1000) {
				t.Errorf("%d bytes for 1000 while %d other streams are compressed", len(stream), streams)
			}
			if got, err := inflate(bytes.NewReader(stream)); !bytes.Equal(got, content) || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if streams == MaxCompressing {
				return end
			}
			return c.Compress(io.Discard, 1+streams%9, func(io.Writer) error { return nest(streams + 1) })
		}
		if err := nest(0); err != end {
			t.Errorf("got %v, want %v", err, end)
		}
	}
	for range MaxCompressing {
		func() {
			defer func() { recover() }()
			c.Compress(io.Discard, 1, func(io.Writer) error { panic("broken") })
		}()
	}
	if n := len(compress(t, c, 1, content)); n > 100 {
		t.Errorf("%d bytes after panics, want a compressed stream", n)
	}
}

func TestErrorTruncatesStream(t *testing.T) {
	broken := errors.New("broken")
	for level := range zlib.BestCompression + 1 {
		sent := new(bytes.Buffer)
		err := new(Compressor).Compress(sent, level, func(w io.Writer) error {
			io.WriteString(w, "half")
			return broken
		})
		if got, end := inflate(sent); err != broken || string(got) != "hal" || end != ErrTruncated {
			t.Errorf("level %d: Compress returned %v; inflated %q, %v, want %q, %v", level, err, got, end, "hal", ErrTruncated)
		}
	}
}

// A reused deflater must not send bytes of a failed stream in the next one.
func TestReusedDeflaterHasNoOldBytes(t *testing.T) {
	c := new(Compressor)
	err := c.Compress(failingWriter{}, 3, func(w io.Writer) error { _, err := io.WriteString(w, "secret"); return err })
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
	for range 3 {
		if got, err := inflate(bytes.NewReader(compress(t, c, 3, []byte("new")))); string(got) != "new" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// BenchmarkDeflate compresses and decompresses a log file.
func BenchmarkDeflate(b *testing.B) {
	log := new(bytes.Buffer)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100000 {
		fmt.Fprintf(log, "2026-11-23 01:%02d:%02d sensor %02d reads %d, status %s\n", i/6000%60, i/100%60, random.IntN(40), random.IntN(5000), "ok")
	}
	c := new(Compressor)
	for _, level := range []int{1, 3, 6, 9} {
		stream := zlibStream(b, level, log.Bytes())
		b.Run(fmt.Sprint("level ", level), func(b *testing.B) {
			b.SetBytes(int64(log.Len()))
			for b.Loop() {
				compress(b, c, level, log.Bytes())
			}
			b.ReportMetric(float64(log.Len())/float64(len(stream)), "of-wire")
		})
	}
	stream := zlibStream(b, 6, log.Bytes())
	b.Run("inflate", func(b *testing.B) {
		b.SetBytes(int64(log.Len()))
		for b.Loop() {
			inflate(bytes.NewReader(stream))
		}
	})
}
