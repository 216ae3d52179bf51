package names

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestDirectories(t *testing.T) {
	var d Directories
	checkKnown := func(want string) {
		t.Helper()
		if got := strings.Join(slices.Sorted(maps.Keys(d)), " "); got != want {
			t.Errorf("known directories %q, want %q", got, want)
		}
	}
	d.Add("/a/b/c")
	d.Add("/ab")
	d.Add("/")
	checkKnown("/a /a/b /a/b/c /ab")
	d.Forget("/a/b")
	checkKnown("/a /ab")
	d.Add("/a/x")
	d.Move("/a", "/z/y")
	checkKnown("/ab /z")
	d.Forget("/z")
	checkKnown("/ab")
	d.Move("/ab/f", "/f") // a file
	checkKnown("/ab")
}

// A session remembers a limited number of directories.
func TestDirectoriesAreBounded(t *testing.T) {
	var d Directories
	for i := range 3 * maxKnownDirs {
		d.Add(fmt.Sprintf("/%d", i))
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
		if got := IsWithin(c.dir, c.name); got != c.want {
			t.Errorf("IsWithin(%s, %s) = %v", c.dir, c.name, got)
		}
	}
}
