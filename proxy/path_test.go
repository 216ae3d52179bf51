package proxy

import (
	"errors"
	"io/fs"
	"testing"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct{ dir, arg, want string }{
		{"/", "", "/"},
		{"/a", "", "/a"},
		{"/", "a", "/a"},
		{"/a", "b", "/a/b"},
		{"/a", "/b", "/b"},
		{"/a", "b/", "/a/b"},
		{"/a", "b//c", "/a/b/c"},
		{"/a", "//b", "/b"},
		{"/a", ".", "/a"},
		{"/a", "..", "/"},
		{"/a", "../../../b", "/b"},
		{"/a", "/../b/./c/..", "/b"},
		{"/a", "...", "/a/..."},
		{"/", " ", "/ "},
		{"/", " a ", "/ a "},
		{"/", `..\b`, `/..\b`},
		{"/", "~", "/~"},
		{"/", "cafe\u0301", "/cafe\u0301"},
		{"/", "\u00a0", "/\u00a0"},
		{"/", "a%2fb+c?d#e*", "/a%2fb+c?d#e*"},
	} {
		if got, err := resolve(c.dir, c.arg); got != c.want || err != nil {
			t.Errorf("%q in %s: %q, %v; want %q", c.arg, c.dir, got, err, c.want)
		}
	}
	for _, arg := range []string{"a\x00", "\n", "a\rb", "\t", "\x1f", "\x7f", "\u0080", "a\u009b", "\u009f", "\xff", "a\xc3", "\xed\xa0\x80"} {
		if got, err := resolve("/", arg); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %q, %v; want fs.ErrInvalid", arg, got, err)
		}
	}
}

func TestQuote(t *testing.T) {
	if got, want := quote(`/a "b"`), `"/a ""b"""`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
