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

// A truncated stream, or one with an error of the source, yields a beginning of the content, but never all of it.
func TestTruncatedStream(t *testing.T) {
	errRead := errors.New("read error")
	for _, content := range contents() {
		stream := zlibStream(t, 6, content)
		for at := 0; at < len(stream); at += 1 + at/8 {
			got, err := inflate(bytes.NewReader(stream[:at]))
			if err != ErrTruncated || !bytes.HasPrefix(content, got) || len(content) > 0 && len(got) == len(content) {
				t.Errorf("truncated at %d of %d: %d of %d bytes, %v", at, len(stream), len(got), len(content), err)
			}
		}
		for _, at := range []int{0, len(stream) / 2, len(stream) - 1, len(stream)} {
			r := io.MultiReader(bytes.NewReader(stream[:at]), iotest.ErrReader(errRead))
			got, err := inflate(r)
			if err != errRead || !bytes.HasPrefix(content, got) || len(content) > 0 && len(got) == len(content) {
				t.Errorf("error after %d of %d: %d of %d bytes, %v", at, len(stream), len(got), len(content), err)
			}
		}
	}
}

// Beyond the first bytes a file may expand by a limited factor only.
func TestMaxExpansion(t *testing.T) {
	zeros, noise := zlibStream(t, 9, make([]byte, 8<<20)), zlibStream(t, 9, append(make([]byte, 4<<20), contents()[5]...))
	for _, c := range []struct {
		name   string
		stream []byte
		free   int64
		want   error
	}{
		{"zeros", zeros, 7 << 20, ErrExpands},
		{"zeros, all free", zeros, 8 << 20, io.EOF},
		{"a sparse file", noise, 4 << 20, io.EOF},
	} {
		r := NewReader(bytes.NewReader(c.stream), time.Hour)
		r.free = c.free
		n, err := io.Copy(io.Discard, r)
		if err == nil {
			err = io.EOF
		}
		if err != c.want || err != io.EOF && n > c.free+64<<10 {
			t.Errorf("%s: %d bytes, %v; want %v", c.name, n, err, c.want)
		}
	}
}

// A slow line is not a stall, although the decompressor returns no data before it has 32 KiB.
func TestSlowStreamIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noise := contents()[5]
		r := NewReader(&slowReader{bytes.NewReader(zlibStream(t, 1, noise))}, time.Minute)
		if got, err := io.ReadAll(r); !bytes.Equal(got, noise) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// A stream that consists of empty blocks must fail, but not before the stall time.
func TestEmptyBlocksAreAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := io.ReadAll(NewReader(io.MultiReader(strings.NewReader("\x78\x9c"), io.LimitReader(emptyBlocks{}, 5*600)), time.Minute))
		if took := time.Since(begin); err != ErrStalled || took <= time.Minute || took > 3*time.Minute {
			t.Errorf("%v after %v, want %v after 1 to 3 minutes", err, took, ErrStalled)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v is not os.ErrDeadlineExceeded", err)
		}
	})
}

// emptyBlocks is a source of blocks without data, one a second.
type emptyBlocks struct{}

func (emptyBlocks) Read(p []byte) (int, error) {
	<-time.After(time.Second)
	return copy(p, "\x00\x00\x00\xff\xff"), nil
}

func TestInvalidStream(t *testing.T) {
	stream := zlibStream(t, 6, []byte("hello"))
	changed := bytes.Clone(stream)
	changed[len(changed)-1] ^= 1
	for _, c := range []struct {
		name    string
		stream  []byte
		want    error
		corrupt bool // the upload must not be resumable
	}{
		{"plain", []byte("hello"), ErrNotZlib, false},
		{"empty", nil, ErrTruncated, false},
		{"wrong checksum", changed, ErrCorrupt, true},
		{"wrong block", append(bytes.Clone(stream[:2]), 7), ErrCorrupt, true},
		{"followed by more", append(bytes.Clone(stream), 'x'), ErrCorrupt, true},
	} {
		_, err := inflate(bytes.NewReader(c.stream))
		if !errors.Is(err, c.want) || errors.Is(err, ErrCorrupt) != c.corrupt {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// A slowReader reads 200 bytes every 10 seconds.
type slowReader struct{ r io.Reader }

func (s *slowReader) Read(p []byte) (int, error) {
	<-time.After(10 * time.Second)
	return s.r.Read(p[:min(len(p), 200)])
}

// FuzzInflate checks that exactly complete zlib streams with nothing after them are complete files, in any chunks; that a content is
// the same after compressing and decompressing; and that a truncated or changed stream is detected, or has the same content.
func FuzzInflate(f *testing.F) {
	for _, content := range contents()[:3] {
		f.Add(zlibStream(f, 6, content), uint16(7))
	}
	f.Add(append(zlibStream(f, 1, []byte("a")), 'x'), uint16(0))
	f.Add([]byte("\x78\x9c\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff"), uint16(3))
	f.Add([]byte("\x78\xbb\x00\x00\x00\x02\x03\x00\x00\x00\x00\x01"), uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, at uint16) {
		if len(in) > 2<<10 { // which may decompress to 2 MiB
			return
		}
		want, complete := reference(in)
		got, err := inflate(bytes.NewReader(in))
		if (err == nil) != complete || !bytes.HasPrefix(want, got) || complete && len(got) < len(want) || !complete && len(got) != max(len(want)-1, 0) {
			t.Errorf("%q: %d bytes, %v; want %d, complete: %v", in, len(got), err, len(want), complete)
		}
		for name, chunks := range chunkings {
			again, e := inflate(chunks(bytes.NewReader(in)))
			if !bytes.Equal(again, got) || (e == nil) != (err == nil) || errors.Is(e, ErrTruncated) != errors.Is(err, ErrTruncated) {
				t.Errorf("%q %s: %d bytes, %v; want %d, %v", in, name, len(again), e, len(got), err)
			}
		}

		stream := zlibStream(t, int(at)%10, in)
		if back, err := inflate(bytes.NewReader(stream)); !bytes.Equal(back, in) || err != nil {
			t.Errorf("%q comes back as %q, %v", in, back, err)
		}
		i := int(at) % len(stream)
		if _, err := inflate(bytes.NewReader(stream[:i])); err != ErrTruncated {
			t.Errorf("%q, cut at %d: %v", in, i, err)
		}
		stream[i] ^= byte(at>>8) | 1
		if back, err := inflate(bytes.NewReader(stream)); err == nil && !bytes.Equal(back, in) {
			t.Errorf("%q, changed at %d, is %q", in, i, back)
		}
	})
}

// reference decompresses in with compress/zlib, and reports whether it is one complete stream with nothing after it.
func reference(in []byte) (content []byte, complete bool) {
	r := bytes.NewReader(in)
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, false
	}
	content, err = io.ReadAll(z)
	return content, err == nil && r.Len() == 0
}
