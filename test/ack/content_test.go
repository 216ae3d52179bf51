package ack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// Each upload sends its own stream of 16-byte blocks with the operation and the block number. So the bytes of a file show which
// operations they are from, and whether any are missing, duplicated or misplaced.

const block = 16

// fill writes the bytes from offset on of the stream of an operation.
func fill(p []byte, op int, offset int64) {
	const digits = "0123456789abcdef"
	var b [block]byte
	b[7], b[15] = ':', '\n'
	for i := range 7 {
		b[i] = digits[op>>(4*(6-i))&15]
	}
	for len(p) > 0 {
		number := offset / block
		for i := range 7 {
			b[8+i] = digits[number>>(4*(6-i))&15]
		}
		n := copy(p, b[offset%block:])
		p, offset = p[n:], offset+int64(n)
	}
}

// A stream reads the first bytes of the stream of an operation.
type stream struct {
	op       int
	at, size int64
}

func (s *stream) Read(p []byte) (int, error) {
	n := min(int64(len(p)), s.size-s.at)
	if n == 0 {
		return 0, io.EOF
	}
	fill(p[:n], s.op, s.at)
	s.at += n
	return int(n), nil
}

// A piece is the first bytes of the stream of an operation.
type piece struct {
	op   int
	size int64
}

// A content is the pieces of a file, in order.
type content []piece

// String returns a name of the content; equal contents have equal names.
func (c content) String() string {
	var parts []string
	for _, p := range c {
		parts = append(parts, fmt.Sprintf("%d:%d", p.op, p.size))
	}
	return strings.Join(parts, "+")
}

func contentOf(name string) (c content) {
	for part := range strings.SplitSeq(name, "+") {
		op, size, ok := strings.Cut(part, ":")
		if !ok {
			return nil
		}
		number, _ := strconv.Atoi(op)
		n, _ := strconv.ParseInt(size, 10, 64)
		c = append(c, piece{number, n})
	}
	return c
}

func (c content) size() (n int64) {
	for _, p := range c {
		n += p.size
	}
	return n
}

// first returns the first n bytes.
func (c content) first(n int64) (cut content) {
	for _, p := range c {
		if n <= 0 {
			break
		}
		cut = append(cut, piece{p.op, min(n, p.size)})
		n -= p.size
	}
	return cut
}

// then returns the content followed by a piece.
func (c content) then(p piece) content {
	if p.size == 0 {
		return c
	}
	return append(append(content(nil), c...), p)
}

func (c content) reader() io.Reader {
	var all []io.Reader
	for _, p := range c {
		all = append(all, &stream{op: p.op, size: p.size})
	}
	return io.MultiReader(all...)
}

// A digest names the bytes of a content from an offset on.
type digest struct {
	sum  [sha256.Size]byte
	size int64
}

func (c content) from(offset int64) (d digest) {
	r := c.reader()
	io.CopyN(io.Discard, r, offset)
	h := sha256.New()
	d.size, _ = io.Copy(h, r)
	h.Sum(d.sum[:0])
	return d
}

// parse returns the content of a complete file.
func parse(data []byte) (c content, err error) {
	const chunk = 64 << 10
	buf := make([]byte, chunk)
	for at := 0; at < len(data); {
		op, ok := beginning(data[at:])
		if !ok {
			return nil, fmt.Errorf("after %q, at byte %d, no stream begins: %q", c, at, data[at:min(len(data), at+3*block)])
		}
		n := 0 // bytes of the stream
		for at+n < len(data) {
			m := min(chunk, len(data)-at-n)
			fill(buf[:m], op, int64(n))
			if same := common(buf[:m], data[at+n:]); same < m {
				n += same
				break
			}
			n += m
		}
		end := at + n
		if end < len(data) { // another stream may begin with the next bytes of this one
			found := false
			for begin := end; begin > max(at, end-block) && !found; begin-- {
				if _, found = beginning(data[begin:]); found {
					end = begin
				}
			}
			if !found {
				return nil, fmt.Errorf("%q does not go on as it should at byte %d: %q", c.then(piece{op, int64(n)}), end, data[end:min(len(data), end+3*block)])
			}
		}
		c = append(c, piece{op, int64(end - at)})
		at = end
	}
	return c, nil
}

// beginning returns the operation with the stream that begins here.
func beginning(data []byte) (op int, ok bool) {
	if len(data) < block || !bytes.Equal(data[7:block], []byte(":0000000\n")) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(data[:7]), 16, 32)
	return int(n), err == nil
}

func common(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

func TestParse(t *testing.T) {
	for _, want := range []content{
		{{1, 16}}, {{1, 160}, {2, 32}}, {{17, 33}, {16, 1 << 20}, {17, 47}}, {{255, 15 + 16}, {256, 16}, {255, 1600}},
	} {
		data, err := io.ReadAll(want.reader())
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(data)
		if err != nil || got.String() != want.String() || contentOf(want.String()).String() != want.String() {
			t.Errorf("%v is parsed as %v, %v", want, got, err)
		}
		if d := want.from(0); d != (digest{sha256.Sum256(data), int64(len(data))}) {
			t.Errorf("%v has another digest", want)
		}
		data[len(data)/2] ^= 1
		if got, err := parse(data); err == nil && got.String() == want.String() {
			t.Errorf("%v with another byte is parsed as %v", want, got)
		}
	}
	if _, err := parse((content{{1, 160}}).bytesFrom(16)); err == nil {
		t.Error("a content without its beginning was parsed")
	}
}

func (c content) bytesFrom(offset int64) []byte {
	data, _ := io.ReadAll(c.reader())
	return data[offset:]
}
