package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func TestDirectories(t *testing.T) {
	var d directories
	has := func(want string) {
		t.Helper()
		if got := strings.Join(slices.Sorted(maps.Keys(d)), " "); got != want {
			t.Errorf("%q are known, want %q", got, want)
		}
	}
	d.add("/a/b/c")
	d.add("/ab")
	d.add("/")
	has("/a /a/b /a/b/c /ab")
	d.forget("/a/b")
	has("/a /ab")
	d.add("/a/x")
	d.move("/a", "/z/y")
	has("/ab /z")
	d.forget("/z")
	has("/ab")
	d.move("/ab/f", "/f") // a file
	has("/ab")
}

// TestDirectoriesAreBounded: a session that sees ever more directories does not remember ever more.
func TestDirectoriesAreBounded(t *testing.T) {
	var d directories
	for i := range 3 * mostKnown {
		d.add(fmt.Sprintf("/%d", i))
		if len(d) > mostKnown {
			t.Fatalf("%d are known", len(d))
		}
	}
	if !d[fmt.Sprintf("/%d", 3*mostKnown-1)] {
		t.Error("the last one is not known")
	}
}

func TestIsWithin(t *testing.T) {
	for _, c := range []struct {
		dir, name string
		want      bool
	}{
		{"/a", "/a", true}, {"/a", "/a/b", true}, {"/a", "/ab", false}, {"/a", "/", false}, {"/", "/a", true}, {"/", "/", true}, {"/a/b", "/a", false},
	} {
		if got := isWithin(c.dir, c.name); got != c.want {
			t.Errorf("%s is within %s: %v", c.name, c.dir, got)
		}
	}
}

// TestMakeTwice: with lenient directories, MKD succeeds even where another session makes the directory in the meantime.
func TestMakeTwice(t *testing.T) {
	store := raced{newMemStore()}
	s := &session{dialogue: dialogue{store: store, compat: proxy.Compat{LenientDirs: true}}}
	if err := s.make(t.Context(), "/d"); err != nil {
		t.Error(err)
	}
	s.compat.LenientDirs = false
	if err := s.make(t.Context(), "/e"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v without", err)
	}
}

// A raced store is one in which somebody else is always the first to make a directory.
type raced struct{ *memStore }

func (r raced) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	if _, err := r.memStore.Mkdir(ctx, dir); err != nil {
		return proxy.Stored{}, err
	}
	return r.memStore.Mkdir(ctx, dir)
}
