package s3demo

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestContentThatDoesNotCome(t *testing.T) {
	c, err := openContents(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if _, err := c.write(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), 10); err != broken {
		t.Errorf("a broken reader: %v", err)
	}
	if _, err := c.write(strings.NewReader("half"), 10); err == nil || err.Error() != refuse("IncompleteBody").Error() {
		t.Errorf("a short reader: %v", err)
	}
	if left, err := os.ReadDir(c.dir); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestReader(t *testing.T) {
	c, err := openContents(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var pieces []piece
	for _, text := range []string{"", "abc", "", "defg", "h", ""} {
		p, err := c.write(strings.NewReader(text), -1)
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, p)
	}
	const all = "abcdefgh"
	for from := range len(all) + 1 {
		for to := from; to <= len(all); to++ {
			c.retain(pieces)
			r := c.read(pieces, int64(from), int64(to-from))
			if err := iotest.TestReader(r, []byte(all[from:to])); err != nil {
				t.Errorf("[%d:%d]: %v", from, to, err)
			}
			r.Close()
			c.retain(pieces)
			var b strings.Builder
			r = c.read(pieces, int64(from), int64(to-from))
			if n, err := r.WriteTo(&b); b.String() != all[from:to] || n != int64(to-from) || err != nil {
				t.Errorf("[%d:%d]: WriteTo: %q, %v", from, to, b.String(), err)
			}
			r.Close()
		}
	}
	if len(c.shared) != 0 {
		t.Errorf("still held: %v", c.shared)
	}
	if err := os.Truncate(c.file(pieces[3].ID), 2); err != nil {
		t.Fatal(err)
	}
	c.retain(pieces)
	r := c.read(pieces, 0, int64(len(all)))
	defer r.Close()
	if got, err := io.ReadAll(struct{ io.Reader }{r}); string(got) != "abcde" || err != io.ErrUnexpectedEOF {
		t.Errorf("a file that was cut: %q, %v", got, err)
	}
	c.retain(pieces)
	r2 := c.read(pieces, 0, int64(len(all)))
	defer r2.Close()
	var b strings.Builder
	if _, err := r2.WriteTo(&b); err != io.ErrUnexpectedEOF {
		t.Errorf("a file that was cut: WriteTo: %v", err)
	}
}
