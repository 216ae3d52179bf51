package ack

import (
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

// A piece is bytes of the stream of an operation: the first ones or, behind bytes that were changed in place, later ones.
type piece struct {
	op   int
	size int64
	from int64 // offset in the stream
}

// A content is the pieces of a file, in order.
type content []piece

// String returns a name of the content; equal contents have equal names.
func (c content) String() string {
	var parts []string
	for _, p := range c {
		part := fmt.Sprintf("%d:%d", p.op, p.size)
		if p.from > 0 {
			part += fmt.Sprintf(":%d", p.from)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "+")
}

func contentOf(name string) (c content) {
	for part := range strings.SplitSeq(name, "+") {
		var p piece
		if n, _ := fmt.Sscanf(part, "%d:%d:%d", &p.op, &p.size, &p.from); n < 2 {
			return nil
		}
		c = append(c, p)
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
		cut = append(cut, piece{p.op, min(n, p.size), p.from})
		n -= p.size
	}
	return cut
}

// after returns the content without the first n bytes.
func (c content) after(n int64) (rest content) {
	for _, p := range c {
		if dropped := min(n, p.size); dropped < p.size {
			rest = append(rest, piece{p.op, p.size - dropped, p.from + dropped})
		}
		n -= min(n, p.size)
	}
	return rest
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
		all = append(all, &stream{op: p.op, at: p.from, size: p.from + p.size})
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
		op, from, ok := beginning(data[at:])
		if !ok {
			return nil, fmt.Errorf("after %q, at byte %d, no block begins: %q", c, at, data[at:min(len(data), at+3*block)])
		}
		n := 0 // bytes of the stream
		for at+n < len(data) {
			m := min(chunk, len(data)-at-n)
			fill(buf[:m], op, from+int64(n))
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
				if _, _, found = beginning(data[begin:]); found {
					end = begin
				}
			}
			if !found {
				return nil, fmt.Errorf("%q does not go on as it should at byte %d: %q", c.then(piece{op, int64(n), from}), end, data[end:min(len(data), end+3*block)])
			}
		}
		c = append(c, piece{op, int64(end - at), from})
		at = end
	}
	return c, nil
}

// beginning returns the operation of the block that begins here, and the offset of the block in its stream.
func beginning(data []byte) (op int, offset int64, ok bool) {
	if len(data) < block || data[7] != ':' || data[block-1] != '\n' {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(string(data[:7]), 16, 32)
	number, errNumber := strconv.ParseUint(string(data[8:block-1]), 16, 32)
	return int(n), int64(number) * block, err == nil && errNumber == nil
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
		{{1, 16, 0}}, {{1, 160, 0}, {2, 32, 0}}, {{17, 33, 0}, {16, 1 << 20, 0}, {17, 47, 0}}, {{255, 15 + 16, 0}, {256, 16, 0}, {255, 1600, 0}},
		{{1, 160, 0}, {2, 32, 0}, {1, 320, 192}}, {{2, 32, 0}, {1, 16, 32}}, {{1, 1 << 20, 0}, {2, 16, 0}, {3, 16, 0}, {1, 1 << 20, 1<<20 + 32}},
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
	if got, err := parse((content{{1, 160, 0}}).bytesFrom(16)); err != nil || got.String() != "1:144:16" {
		t.Errorf("a content without its beginning is parsed as %v, %v", got, err)
	}
	whole := content{{1, 160, 0}, {2, 320, 16}}
	for _, n := range []int64{0, 16, 160, 176, 480, 500} {
		if joined := append(whole.first(n), whole.after(n)...); joined.size() != 480 || joined.from(0) != whole.from(0) {
			t.Errorf("cut at %d, it is %v", n, joined)
		}
	}
}

func (c content) bytesFrom(offset int64) []byte {
	data, _ := io.ReadAll(c.reader())
	return data[offset:]
}
