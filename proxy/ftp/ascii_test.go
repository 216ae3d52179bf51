package ftp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// texts are texts as clients send them and as they are stored; back is as they are sent to clients, if that differs.
var texts = []struct{ net, store, back string }{
	{"", "", ""},
	{"a", "a", ""},
	{"\r\n", "\n", ""},
	{"a\r\nb\r\n", "a\nb\n", ""},
	{"\r\n\r\n", "\n\n", ""},
	{"a\rb", "a\rb", ""},
	{"a\r", "a\r", ""},
	{"\r\r\n", "\r\n", "\r\n"},
	{"\r\r\r", "\r\r\r", ""},
	{"a\nb", "a\nb", "a\r\nb"},
	{"\n\r", "\n\r", "\r\n\r"},
	{strings.Repeat("line\r\n", 20000), strings.Repeat("line\n", 20000), ""},
	{strings.Repeat("x", 32<<10-1) + "\r\nend", strings.Repeat("x", 32<<10-1) + "\nend", ""},
}

// pieces split a stream into the bytes of single reads.
var pieces = map[string]func(io.Reader) io.Reader{
	"at once":           func(r io.Reader) io.Reader { return r },
	"byte by byte":      iotest.OneByteReader,
	"by halves":         iotest.HalfReader,
	"with its end":      iotest.DataErrReader,
	"bytes, end at one": func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.OneByteReader(r)) },
}

func TestFromNet(t *testing.T) {
	for _, c := range texts {
		for in, cut := range pieces {
			for out, cutResult := range pieces {
				got, err := io.ReadAll(cutResult(&asciiReader{r: cut(strings.NewReader(c.net))}))
				if string(got) != c.store || err != nil {
					t.Errorf("%.20q, source %s, result %s: %.20q, %v; want %.20q", c.net, in, out, got, err, c.store)
				}
			}
		}
	}
}

// An error of the source is returned after all bytes before it.
func TestFromNetError(t *testing.T) {
	broken := errors.New("broken")
	for in, cut := range pieces {
		got, err := io.ReadAll(&asciiReader{r: cut(io.MultiReader(strings.NewReader("a\r\nb\r"), iotest.ErrReader(broken)))})
		if string(got) != "a\nb\r" || err != broken {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

func TestToNet(t *testing.T) {
	for _, c := range texts {
		want := c.net
		if c.back != "" {
			want = c.back
		}
		for in, cut := range pieces {
			var b bytes.Buffer
			n, err := io.Copy(struct{ io.Writer }{&asciiWriter{w: &b}}, struct{ io.Reader }{cut(strings.NewReader(c.store))})
			if b.String() != want || n != int64(len(c.store)) || err != nil {
				t.Errorf("%.20q, written %s: %.20q, %d, %v; want %.20q", c.store, in, b.String(), n, err, want)
			}
		}
	}
}

func TestToNetError(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if _, err := (&asciiWriter{w: w}).Write([]byte("a\n")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}
