package names

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
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
		if got, err := Resolve(c.dir, c.arg); got != c.want || err != nil {
			t.Errorf("%q in %s: %q, %v; want %q", c.arg, c.dir, got, err, c.want)
		}
	}
	for _, arg := range []string{"a\x00", "\n", "a\rb", "\t", "\x1f", "\x7f", "\u0080", "a\u009b", "\u009f", "\xff", "a\xc3", "\xed\xa0\x80"} {
		if got, err := Resolve("/", arg); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %q, %v; want fs.ErrInvalid", arg, got, err)
		}
	}
}

func TestQuote(t *testing.T) {
	if got, want := Quote(`/a "b"`), `"/a ""b"""`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestUnquote(t *testing.T) {
	for _, c := range []struct {
		text, name, rest string
		ok               bool
	}{
		{`"a"`, "a", "", true},
		{`"/a ""b""" 1 2`, `/a "b"`, " 1 2", true},
		{`""`, "", "", true},
		{`"a`, "", "", false},
		{`"a""`, "", "", false},
		{`a"b"`, "", "", false},
		{"", "", "", false},
	} {
		if name, rest, ok := Unquote(c.text); name != c.name || rest != c.rest || ok != c.ok {
			t.Errorf("%s: %q, %q, %v; want %q, %q, %v", c.text, name, rest, ok, c.name, c.rest, c.ok)
		}
	}
}

func TestIsDirectoryPath(t *testing.T) {
	for arg, want := range map[string]bool{"": false, "a": false, "a/b": false, ".a": false, "...": false, "a/": true, "/": true, ".": true, "..": true,
		"a/.": true, "a/..": true} {
		if got := IsDirectoryPath(arg); got != want {
			t.Errorf("%q: %v", arg, got)
		}
	}
}

// FuzzResolve checks that names are absolute and clean, have no control characters, and resolve to themselves.
func FuzzResolve(f *testing.F) {
	for _, seed := range [][2]string{{"/", "a"}, {"/a/b", "../.."}, {"/a", "//b/./c/"}, {"/", "\x7f"}, {"/", "\xff"}, {"/a", "\\..\\"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, dir, arg string) {
		dir, err := Resolve("/", dir)
		if err != nil {
			return // no session can be in this directory
		}
		name, err := Resolve(dir, arg)
		if err != nil {
			return
		}
		if !strings.HasPrefix(name, "/") || path.Clean(name) != name || strings.Contains("/"+name+"/", "/../") {
			t.Errorf("%q in %q is %q", arg, dir, name)
		}
		if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
			t.Errorf("%q in %q is %q, which is not printable", arg, dir, name)
		}
		for _, from := range []string{"/", dir, name} {
			if again, err := Resolve(from, name); again != name || err != nil {
				t.Errorf("Resolve(%q, %q) = %q, %v", from, name, again, err)
			}
		}
	})
}
