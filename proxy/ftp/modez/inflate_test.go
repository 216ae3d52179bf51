package modez

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// TestInflateCut cuts streams anywhere: all that comes of them is a beginning of the content, never all of it.
func TestInflateCut(t *testing.T) {
	broken := errors.New("broken")
	for _, content := range contents() {
		stream := zlibOf(t, 6, content)
		for at := 0; at < len(stream); at += 1 + at/8 {
			got, err := inflated(bytes.NewReader(stream[:at]))
			if err != ErrTruncated || !bytes.HasPrefix(content, got) || len(content) > 0 && len(got) == len(content) {
				t.Errorf("cut at %d of %d: %d of %d bytes, %v", at, len(stream), len(got), len(content), err)
			}
		}
		for _, at := range []int{0, len(stream) / 2, len(stream) - 1, len(stream)} {
			r := io.MultiReader(bytes.NewReader(stream[:at]), iotest.ErrReader(broken))
			got, err := inflated(r)
			if err != broken || !bytes.HasPrefix(content, got) || len(content) > 0 && len(got) == len(content) {
				t.Errorf("broken at %d of %d: %d of %d bytes, %v", at, len(stream), len(got), len(content), err)
			}
		}
	}
}

// TestInflateExpands: beyond what is free, a file may be so many times what came over the wire, and no more.
func TestInflateExpands(t *testing.T) {
	zeros, noise := zlibOf(t, 9, make([]byte, 8<<20)), zlibOf(t, 9, append(make([]byte, 4<<20), contents()[5]...))
	for _, c := range []struct {
		name   string
		stream []byte
		free   int64
		want   error
	}{
		{"zeros", zeros, 7 << 20, ErrExpands},
		{"zeros, free", zeros, 8 << 20, io.EOF},
		{"a sparse file", noise, 4 << 20, io.EOF},
	} {
		i := NewReader(bytes.NewReader(c.stream), time.Hour)
		i.free = c.free
		n, err := io.Copy(io.Discard, i)
		if err == nil {
			err = io.EOF
		}
		if err != c.want || err != io.EOF && n > c.free+64<<10 {
			t.Errorf("%s: %d bytes, %v; want %v", c.name, n, err, c.want)
		}
	}
}

// TestInflateSlow: a slow way to the server is no stall, although nothing comes of the first 32 KiB.
func TestInflateSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noise := contents()[5]
		i := NewReader(&slowReader{bytes.NewReader(zlibOf(t, 1, noise))}, time.Minute)
		if got, err := io.ReadAll(i); !bytes.Equal(got, noise) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// TestInflateStall: a stream that brings nothing but empty blocks fails when that has lasted long enough, and no sooner.
func TestInflateStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := io.ReadAll(NewReader(io.MultiReader(strings.NewReader("\x78\x9c"), io.LimitReader(emptyBlocks{}, 5*600)), time.Minute))
		if took := time.Since(begin); err != ErrStalled || took <= time.Minute || took > 3*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v is not os.ErrDeadlineExceeded", err)
		}
	})
}

// emptyBlocks are blocks without data, one a second.
type emptyBlocks struct{}

func (emptyBlocks) Read(p []byte) (int, error) {
	<-time.After(time.Second)
	return copy(p, "\x00\x00\x00\xff\xff"), nil
}

// TestInflateWrong: streams that are none, or wrong, and what may be kept of them.
func TestInflateWrong(t *testing.T) {
	stream := zlibOf(t, 6, []byte("hello"))
	changed := bytes.Clone(stream)
	changed[len(changed)-1] ^= 1
	for _, c := range []struct {
		name    string
		stream  []byte
		want    error
		corrupt bool // nothing may be kept
	}{
		{"plain", []byte("hello"), ErrNotZlib, false},
		{"empty", nil, ErrTruncated, false},
		{"wrong checksum", changed, ErrCorrupt, true},
		{"wrong block", append(bytes.Clone(stream[:2]), 7), ErrCorrupt, true},
		{"followed by more", append(bytes.Clone(stream), 'x'), ErrCorrupt, true},
	} {
		_, err := inflated(bytes.NewReader(c.stream))
		if !errors.Is(err, c.want) || errors.Is(err, ErrCorrupt) != c.corrupt {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// A slowReader brings 20 bytes a second.
type slowReader struct{ r io.Reader }

func (s *slowReader) Read(p []byte) (int, error) {
	<-time.After(10 * time.Second)
	return s.r.Read(p[:min(len(p), 200)])
}

// FuzzInflate: whatever comes, it is a whole file only if it is a zlib stream and nothing else; the pieces in which it comes make
// no difference; and what is compressed comes back, but not from a stream that was cut or changed on the way.
func FuzzInflate(f *testing.F) {
	for _, content := range contents()[:3] {
		f.Add(zlibOf(f, 6, content), uint16(7))
	}
	f.Add(append(zlibOf(f, 1, []byte("a")), 'x'), uint16(0))
	f.Add([]byte("\x78\x9c\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff"), uint16(3))
	f.Add([]byte("\x78\xbb\x00\x00\x00\x02\x03\x00\x00\x00\x00\x01"), uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, at uint16) {
		if len(in) > 2<<10 { // may be 2 MiB
			return
		}
		want, whole := reference(in)
		got, err := inflated(bytes.NewReader(in))
		if (err == nil) != whole || !bytes.HasPrefix(want, got) || whole && len(got) < len(want) || !whole && len(got) != max(len(want)-1, 0) {
			t.Errorf("%q: %d bytes, %v; want %d, whole: %v", in, len(got), err, len(want), whole)
		}
		for name, cut := range pieces {
			again, e := inflated(cut(bytes.NewReader(in)))
			if !bytes.Equal(again, got) || (e == nil) != (err == nil) || errors.Is(e, ErrTruncated) != errors.Is(err, ErrTruncated) {
				t.Errorf("%q %s: %d bytes, %v; want %d, %v", in, name, len(again), e, len(got), err)
			}
		}

		stream := zlibOf(t, int(at)%10, in)
		if back, err := inflated(bytes.NewReader(stream)); !bytes.Equal(back, in) || err != nil {
			t.Errorf("%q comes back as %q, %v", in, back, err)
		}
		i := int(at) % len(stream)
		if _, err := inflated(bytes.NewReader(stream[:i])); err != ErrTruncated {
			t.Errorf("%q, cut at %d: %v", in, i, err)
		}
		stream[i] ^= byte(at>>8) | 1
		if back, err := inflated(bytes.NewReader(stream)); err == nil && !bytes.Equal(back, in) {
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
