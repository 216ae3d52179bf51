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
	checkKnown := func(want string) {
		t.Helper()
		if got := strings.Join(slices.Sorted(maps.Keys(d)), " "); got != want {
			t.Errorf("known directories %q, want %q", got, want)
		}
	}
	d.add("/a/b/c")
	d.add("/ab")
	d.add("/")
	checkKnown("/a /a/b /a/b/c /ab")
	d.forget("/a/b")
	checkKnown("/a /ab")
	d.add("/a/x")
	d.move("/a", "/z/y")
	checkKnown("/ab /z")
	d.forget("/z")
	checkKnown("/ab")
	d.move("/ab/f", "/f") // a file
	checkKnown("/ab")
}

// A session remembers a limited number of directories.
func TestDirectoriesAreBounded(t *testing.T) {
	var d directories
	for i := range 3 * maxKnownDirs {
		d.add(fmt.Sprintf("/%d", i))
		if len(d) > maxKnownDirs {
			t.Fatalf("%d directories are known, want at most %d", len(d), maxKnownDirs)
		}
	}
	if !d[fmt.Sprintf("/%d", 3*maxKnownDirs-1)] {
		t.Error("the last directory is not known")
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
			t.Errorf("isWithin(%s, %s) = %v", c.dir, c.name, got)
		}
	}
}

// With lenient directories, MKD succeeds even if another session creates the directory at the same time.
func TestConcurrentMkdirWithLenientDirs(t *testing.T) {
	store := mkdirRace{newMemStore()}
	s := &session{loginState: loginState{store: store, compat: proxy.Compat{LenientDirs: true}}}
	if err := s.makeDir(t.Context(), "/d"); err != nil {
		t.Error(err)
	}
	s.compat.LenientDirs = false
	if err := s.makeDir(t.Context(), "/e"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("without lenient directories: %v, want %v", err, fs.ErrExist)
	}
}

// A mkdirRace is a store in which another session always creates the directory first.
type mkdirRace struct{ *memStore }

func (r mkdirRace) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	if _, err := r.memStore.Mkdir(ctx, dir); err != nil {
		return proxy.Stored{}, err
	}
	return r.memStore.Mkdir(ctx, dir)
}
