package proxy

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// zlibOf returns a zlib stream.
func zlibOf(t testing.TB, level int, content []byte) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	var d packer = newStorer(b, new(int64))
	if level > zlib.NoCompression {
		z := newDeflater(b, level, new(int64))
		defer z.free()
		d = z
	}
	if _, err := d.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := d.end(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inflated reads all of what an upload would be given, and counts it.
func inflated(t testing.TB, r io.Reader) ([]byte, error) {
	t.Helper()
	counted := int64(0)
	got, err := io.ReadAll(newInflater(r, time.Hour, &counted))
	if counted != int64(len(got)) {
		t.Errorf("%d bytes, counted as %d", len(got), counted)
	}
	return got, err
}

// contents compress well, badly, and in more than one of the pieces in which they are inflated.
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
			stream := zlibOf(t, level, content)
			for name, cut := range pieces {
				if got, err := inflated(t, cut(bytes.NewReader(stream))); !bytes.Equal(got, content) || err != nil {
					t.Errorf("level %d, read %s: %d bytes, %v; want %d", level, name, len(got), err, len(content))
				}
			}
			got, err := io.ReadAll(iotest.OneByteReader(newInflater(bytes.NewReader(stream), time.Hour, new(int64))))
			if !bytes.Equal(got, content) || err != nil {
				t.Errorf("level %d, taken byte by byte: %d bytes, %v; want %d", level, len(got), err, len(content))
			}
		}
	}
}

// TestDeflaterFlushes: what was written can be inflated before more is, as lists are read while they come.
func TestDeflaterFlushes(t *testing.T) {
	sent := new(bytes.Buffer)
	if _, err := newDeflater(sent, usualLevel, new(int64)).Write([]byte("one\r\n")); err != nil {
		t.Fatal(err)
	}
	z, err := zlib.NewReader(sent)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(z, got); string(got) != "one\r\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestMostDeflaters: where as many transfers compress as may, the next goes uncompressed, as a zlib stream all the same.
func TestMostDeflaters(t *testing.T) {
	content := []byte(strings.Repeat("a", 1000))
	sent := func() int {
		wire := new(bytes.Buffer)
		tr := &transfer{packing: packing{true, usualLevel}, conn: &dataConn{Conn: onlyWrites{Writer: wire}, bytes: new(int64)}}
		if err := tr.send(func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil || tr.bytes != 1000 {
			t.Errorf("%d bytes, %v", tr.bytes, err)
		}
		n := wire.Len()
		if got, err := inflated(t, wire); !bytes.Equal(got, content) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		return n
	}
	for range mostDeflaters {
		if n := sent(); n > 100 {
			t.Errorf("%d bytes are sent", n)
		}
		deflating <- struct{}{}
	}
	if n := sent(); n < 1000 {
		t.Errorf("%d bytes are sent though nobody may compress", n)
	}
	for range mostDeflaters {
		<-deflating
	}
	if n := sent(); n > 100 {
		t.Errorf("%d bytes are sent", n)
	}
}

// onlyWrites is a connection as far as it is written to.
type onlyWrites struct {
	io.Writer
	net.Conn
}

func (o onlyWrites) Write(p []byte) (int, error) { return o.Writer.Write(p) }

// TestDeflaterAgain: one that is used again, after a transfer that broke, knows nothing of it.
func TestDeflaterAgain(t *testing.T) {
	d := newDeflater(failingWriter{}, 3, new(int64))
	if _, err := d.Write([]byte("secret")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
	d.free()
	for range 3 {
		if got, err := inflated(t, bytes.NewReader(zlibOf(t, 3, []byte("new")))); string(got) != "new" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// BenchmarkDeflate compresses lines of a log.
func BenchmarkDeflate(b *testing.B) {
	log := new(bytes.Buffer)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100000 {
		fmt.Fprintf(log, "2026-11-23 01:%02d:%02d sensor %02d reads %d, status %s\n", i/6000%60, i/100%60, random.IntN(40), random.IntN(5000), "ok")
	}
	for _, level := range []int{1, 3, 6, 9} {
		stream := zlibOf(b, level, log.Bytes())
		b.Run(fmt.Sprint("level ", level), func(b *testing.B) {
			b.SetBytes(int64(log.Len()))
			for b.Loop() {
				zlibOf(b, level, log.Bytes())
			}
			b.ReportMetric(float64(log.Len())/float64(len(stream)), "of-wire")
		})
	}
	stream := zlibOf(b, 6, log.Bytes())
	b.Run("inflate", func(b *testing.B) {
		b.SetBytes(int64(log.Len()))
		for b.Loop() {
			inflated(b, bytes.NewReader(stream))
		}
	})
}
