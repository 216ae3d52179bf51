package proxy

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

// packed returns a zlib stream.
func packed(t testing.TB, level int, content []byte) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	d := newDeflater(b, level, new(int64))
	defer d.free()
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
			stream := packed(t, level, content)
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

// TestInflateCut cuts streams anywhere: all that comes of them is a beginning of the content, never all of it.
func TestInflateCut(t *testing.T) {
	broken := errors.New("broken")
	for _, content := range contents() {
		stream := packed(t, 6, content)
		for at := 0; at < len(stream); at += 1 + at/8 {
			got, err := inflated(t, bytes.NewReader(stream[:at]))
			if err != errCut || !bytes.HasPrefix(content, got) || len(content) > 0 && len(got) == len(content) {
				t.Errorf("cut at %d of %d: %d of %d bytes, %v", at, len(stream), len(got), len(content), err)
			}
		}
		for _, at := range []int{0, len(stream) / 2, len(stream) - 1, len(stream)} {
			r := io.MultiReader(bytes.NewReader(stream[:at]), iotest.ErrReader(broken))
			got, err := inflated(t, r)
			if err != broken || !bytes.HasPrefix(content, got) || len(content) > 0 && len(got) == len(content) {
				t.Errorf("broken at %d of %d: %d of %d bytes, %v", at, len(stream), len(got), len(content), err)
			}
		}
	}
}

// TestInflateExpands: beyond what is free, a file may be so many times what came over the wire, and no more.
func TestInflateExpands(t *testing.T) {
	zeros, noise := packed(t, 9, make([]byte, 8<<20)), packed(t, 9, append(make([]byte, 4<<20), contents()[5]...))
	for _, c := range []struct {
		name   string
		stream []byte
		free   int64
		want   error
	}{
		{"zeros", zeros, 7 << 20, errExpands},
		{"zeros, free", zeros, 8 << 20, io.EOF},
		{"a sparse file", noise, 4 << 20, io.EOF},
	} {
		i := newInflater(bytes.NewReader(c.stream), time.Hour, new(int64))
		i.free = c.free
		n, err := io.Copy(io.Discard, i)
		if err == nil {
			err = io.EOF
		}
		if err != c.want || err != io.EOF && n > c.free+64<<10 {
			t.Errorf("%s: %d bytes, %v; want %v", c.name, n, err, c.want)
		}
	}
	if r := replyTo(errExpands); r.code != 552 {
		t.Error(r)
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

// TestDeflaterAgain: one that is used again, after a transfer that broke, knows nothing of it.
func TestDeflaterAgain(t *testing.T) {
	d := newDeflater(failingWriter{}, 3, new(int64))
	if _, err := d.Write([]byte("secret")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
	d.free()
	for range 3 {
		if got, err := inflated(t, bytes.NewReader(packed(t, 3, []byte("new")))); string(got) != "new" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// FuzzInflate: whatever comes, it is a whole file only if it is a zlib stream and nothing else; the pieces in which it comes make
// no difference; and what is compressed comes back, but not from a stream that was cut or changed on the way.
func FuzzInflate(f *testing.F) {
	for _, content := range contents()[:3] {
		f.Add(packed(f, 6, content), uint16(7))
	}
	f.Add(append(packed(f, 1, []byte("a")), 'x'), uint16(0))
	f.Add([]byte("\x78\x9c\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff"), uint16(3))
	f.Add([]byte("\x78\xbb\x00\x00\x00\x02\x03\x00\x00\x00\x00\x01"), uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, at uint16) {
		if len(in) > 2<<10 { // may be 2 MiB
			return
		}
		want, whole := reference(in)
		got, err := inflated(t, bytes.NewReader(in))
		if (err == nil) != whole || !bytes.HasPrefix(want, got) || whole && len(got) < len(want) || !whole && len(got) != max(len(want)-1, 0) {
			t.Errorf("%q: %d bytes, %v; want %d, whole: %v", in, len(got), err, len(want), whole)
		}
		for name, cut := range pieces {
			again, e := inflated(t, cut(bytes.NewReader(in)))
			if !bytes.Equal(again, got) || (e == nil) != (err == nil) || errors.Is(e, errCut) != errors.Is(err, errCut) {
				t.Errorf("%q %s: %d bytes, %v; want %d, %v", in, name, len(again), e, len(got), err)
			}
		}

		stream := packed(t, int(at)%10, in)
		if back, err := inflated(t, bytes.NewReader(stream)); !bytes.Equal(back, in) || err != nil {
			t.Errorf("%q comes back as %q, %v", in, back, err)
		}
		i := int(at) % len(stream)
		if _, err := inflated(t, bytes.NewReader(stream[:i])); err != errCut {
			t.Errorf("%q, cut at %d: %v", in, i, err)
		}
		stream[i] ^= byte(at>>8) | 1
		if back, err := inflated(t, bytes.NewReader(stream)); err == nil && !bytes.Equal(back, in) {
			t.Errorf("%q, changed at %d, is %q", in, i, back)
		}
	})
}

// reference inflates a stream that is all there, and says whether it is one, with nothing behind it.
func reference(in []byte) (content []byte, whole bool) {
	r := bytes.NewReader(in)
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, false
	}
	content, err = io.ReadAll(z)
	return content, err == nil && r.Len() == 0
}

// BenchmarkDeflate compresses lines of a log.
func BenchmarkDeflate(b *testing.B) {
	log := new(bytes.Buffer)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100000 {
		fmt.Fprintf(log, "2026-11-23 01:%02d:%02d sensor %02d reads %d, status %s\n", i/6000%60, i/100%60, random.IntN(40), random.IntN(5000), "ok")
	}
	for _, level := range []int{1, 3, 6, 9} {
		stream := packed(b, level, log.Bytes())
		b.Run(fmt.Sprint("level ", level), func(b *testing.B) {
			b.SetBytes(int64(log.Len()))
			for b.Loop() {
				packed(b, level, log.Bytes())
			}
			b.ReportMetric(float64(log.Len())/float64(len(stream)), "of-wire")
		})
	}
	stream := packed(b, 6, log.Bytes())
	b.Run("inflate", func(b *testing.B) {
		b.SetBytes(int64(log.Len()))
		for b.Loop() {
			inflated(b, bytes.NewReader(stream))
		}
	})
}
