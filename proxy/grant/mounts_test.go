package grant

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// mountOf returns a mount that lies in the memory; its Place is the memory.
func mountOf(m *storetest.Memory, at, dir string, allowed proxy.Permissions) Mount {
	return Mount{Path: at, Base: m, Dir: dir, Place: m, Rules: Rules{Allowed: allowed}}
}

// listed returns the names in a directory, those of directories with a slash.
func listed(t *testing.T, s proxy.Store, dir, prefix string) (names []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), dir, prefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, sortKey(e))
	}
	return names
}

// The directories above mounts are listed, whatever the permissions of the mounts.
func TestVirtualDirectories(t *testing.T) {
	memory := storetest.NewMemory()
	s := Mounts(mountOf(memory, "/in", "/a", dropbox), mountOf(memory, "/x/out", "/b", proxy.PermRead),
		mountOf(memory, "/x/deep/er", "/c", proxy.PermAll), mountOf(memory, "/x/out-2", "/d", 0))
	for _, x := range []struct {
		dir, prefix string
		want        []string
	}{
		{"/", "", []string{"in/", "x/"}},
		{"/", "x", []string{"x/"}},
		{"/", "none", nil},
		{"/", "x/", nil},
		{"/x", "", []string{"deep/", "out-2/", "out/"}},
		{"/x/", "out", []string{"out-2/", "out/"}},
		{"/x/deep", "", []string{"er/"}},
		{"/x/deep/er", "", nil},
	} {
		if got := listed(t, s, x.dir, x.prefix); !slices.Equal(got, x.want) {
			t.Errorf("%s with %q lists %q, want %q", x.dir, x.prefix, got, x.want)
		}
	}
	const virtual = proxy.PermAll &^ proxy.PermList
	for name, denied := range map[string]proxy.Permissions{
		"/": virtual, "/x": virtual, "/x/": virtual, "/x/deep": virtual,
		"/in": proxy.PermAll &^ dropbox, "/x/out/": proxy.PermAll &^ proxy.PermRead, "/x/deep/er": 0, "/x/out-2": proxy.PermAll,
	} {
		e, err := s.Stat(t.Context(), name)
		base := name[strings.LastIndex(strings.TrimSuffix(name, "/"), "/")+1:]
		if want := strings.TrimSuffix(base, "/"); err != nil || !e.Dir || !e.Fixed || e.Denied != denied || name != "/" && e.Name != want {
			t.Errorf("%s is %+v, %v", name, e, err)
		}
	}
	for _, name := range []string{"/none", "/x/none", "/in2", "/i", "/x/deep/none/"} {
		if e, err := s.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is %+v, %v", name, e, err)
		}
	}
	for _, err := range s.List(t.Context(), "/none", "") {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a missing directory: %v", err)
		}
	}
}

// Neither the virtual root, nor the directories above mounts, nor the mounts can be changed.
func TestFixedDirectories(t *testing.T) {
	ctx, memory := t.Context(), storetest.NewMemory()
	s := Mounts(mountOf(memory, "/in", "/a", proxy.PermAll), mountOf(memory, "/x/out", "/b", proxy.PermAll))
	put(t, s, "/in/f", "x")
	before := len(memory.Files)
	errOf := func(_ proxy.Stored, err error) error { return err }
	x := func() proxy.Source { return storetest.Source(strings.NewReader("x")) }
	for what, err := range map[string][2]error{
		"put in the root":            {errOf(s.Put(ctx, "/f", x(), proxy.Write{})), proxy.ErrDenied},
		"put above a mount":          {errOf(s.Put(ctx, "/x/f", x(), proxy.Write{})), proxy.ErrDenied},
		"put over a mount":           {errOf(s.Put(ctx, "/in", x(), proxy.Write{})), syscall.EISDIR},
		"put over a virtual one":     {errOf(s.Put(ctx, "/x", x(), proxy.Write{})), syscall.EISDIR},
		"mkdir in the root":          {errOf(s.Mkdir(ctx, "/new")), proxy.ErrDenied},
		"mkdir of a mount":           {errOf(s.Mkdir(ctx, "/in")), fs.ErrExist},
		"mkdir of a virtual one":     {errOf(s.Mkdir(ctx, "/x")), fs.ErrExist},
		"rmdir of the root":          {errOf(s.Rmdir(ctx, "/")), proxy.ErrDenied},
		"rmdir of a mount":           {errOf(s.Rmdir(ctx, "/x/out")), proxy.ErrDenied},
		"rmdir of a virtual one":     {errOf(s.Rmdir(ctx, "/x")), proxy.ErrDenied},
		"remove a mount":             {errOf(s.Remove(ctx, "/in")), syscall.EISDIR},
		"remove in the root":         {errOf(s.Remove(ctx, "/f")), fs.ErrNotExist},
		"rename a mount":             {errOf(s.Rename(ctx, "/in", "/x/out/in", true)), proxy.ErrDenied},
		"rename a virtual one":       {errOf(s.Rename(ctx, "/x", "/in/x", true)), proxy.ErrDenied},
		"rename the root":            {errOf(s.Rename(ctx, "/", "/in/x", true)), proxy.ErrDenied},
		"rename over a mount":        {errOf(s.Rename(ctx, "/in/f", "/x/out", true)), proxy.ErrDenied},
		"rename to the root":         {errOf(s.Rename(ctx, "/in/f", "/f", true)), proxy.ErrDenied},
		"rename what is in no mount": {errOf(s.Rename(ctx, "/f", "/in/g", true)), fs.ErrNotExist},
		"time of a mount":            {errOf(s.SetTime(ctx, "/in", time.Unix(1, 0))), syscall.EISDIR},
	} {
		if !errors.Is(err[0], err[1]) {
			t.Errorf("%s: %v, want %v", what, err[0], err[1])
		}
	}
	if len(memory.Files) != before {
		t.Errorf("the files are %v", memory.Files)
	}
}

// A mount hides what the mount above it has there, and is listed once, in order.
func TestNestedMounts(t *testing.T) {
	memory := storetest.NewMemory()
	for _, name := range []string{"/a/aa", "/a/b/hidden", "/a/b-x", "/a/c", "/a/bb/hidden", "/a/bb/shown/f", "/deep/f"} {
		put(t, memory, name, name)
	}
	put(t, memory, "/a/b", "a file of the same name")
	s := Mounts(mountOf(memory, "/m", "/a", proxy.PermAll), mountOf(memory, "/m/b", "/deep", proxy.PermRead|proxy.PermList),
		mountOf(memory, "/m/bb/hidden", "/none", proxy.PermAll), mountOf(memory, "/m/new/x", "/none", proxy.PermAll))
	for dir, want := range map[string][]string{
		"/": {"m/"}, "/m": {"aa", "b-x", "b/", "bb/", "c", "new/"}, "/m/b": {"f"}, "/m/bb": {"hidden/", "shown/"}, "/m/new": {"x/"}, "/m/bb/hidden": nil,
	} {
		if got := listed(t, s, dir, ""); !slices.Equal(got, want) {
			t.Errorf("%s lists %q, want %q", dir, got, want)
		}
	}
	if got := listed(t, s, "/m", "b"); !slices.Equal(got, []string{"b-x", "b/", "bb/"}) {
		t.Errorf("with a prefix: %q", got)
	}
	if got := content(t, s, "/m/b/f"); got != "/deep/f" {
		t.Errorf("/m/b/f has %q", got)
	}
	if e, err := s.Stat(t.Context(), "/m/b"); err != nil || !e.Dir || !e.Fixed || e.Denied != proxy.PermAll&^(proxy.PermRead|proxy.PermList) {
		t.Errorf("/m/b is %+v, %v", e, err)
	}
	for _, name := range []string{"/m/b", "/m/b/hidden", "/m/bb/hidden"} {
		if r, err := s.Open(t.Context(), name, proxy.Range{}); err == nil {
			t.Errorf("%s is open: %+v", name, r.Entry())
		}
	}
	for _, name := range []string{"/m/bb", "/m/new"} { // with mounts in them
		if _, err := s.Rename(t.Context(), name, "/m/other", true); !errors.Is(err, proxy.ErrDenied) {
			t.Errorf("rename of %s: %v", name, err)
		}
	}
	put(t, s, "/m/new/f", "x") // it is in the mount /m
	if got := content(t, memory, "/a/new/f"); got != "x" {
		t.Errorf("/a/new/f has %q", got)
	}
}

func TestRenameBetweenMounts(t *testing.T) {
	const source = proxy.PermRename | proxy.PermRead | proxy.PermDelete
	for _, x := range []struct {
		from, to proxy.Permissions
		elsewhere,
		over bool
		want error
	}{
		{from: proxy.PermAll, to: proxy.PermAll},
		{from: source, to: proxy.PermWrite},
		{from: source, to: proxy.PermAll &^ proxy.PermWrite, want: proxy.ErrDenied},
		{from: proxy.PermAll &^ proxy.PermRename, to: proxy.PermAll, want: proxy.ErrDenied},
		{from: proxy.PermAll &^ proxy.PermRead, to: proxy.PermAll, want: proxy.ErrDenied},
		{from: proxy.PermAll &^ proxy.PermDelete, to: proxy.PermAll, want: proxy.ErrDenied},
		{from: source, to: proxy.PermWrite, over: true, want: proxy.ErrDenied},
		{from: source, to: proxy.PermWrite | proxy.PermOverwrite, over: true},
		{from: proxy.PermAll, to: proxy.PermAll, elsewhere: true, want: errors.ErrUnsupported},
		{from: proxy.PermAll, to: 0, elsewhere: true, want: proxy.ErrDenied},
	} {
		memory := storetest.NewMemory()
		put(t, memory, "/a/f", "f")
		put(t, memory, "/a/d/1", "1")
		put(t, memory, "/outside/f", "outside")
		target := mountOf(memory, "/x/b", "/b", x.to)
		if x.elsewhere {
			target.Place = "elsewhere"
		}
		if x.over {
			put(t, memory, "/b/f", "old")
		}
		s := Mounts(mountOf(memory, "/a", "/a", x.from), target)
		_, err := s.Rename(t.Context(), "/a/f", "/x/b/f", true)
		_, dirErr := s.Rename(t.Context(), "/a/d", "/x/b/e", true)
		if x.over {
			dirErr = err
		}
		if !errors.Is(err, x.want) || !errors.Is(dirErr, x.want) {
			t.Errorf("from %v to %v, over a file %v: %v and %v, want %v", x.from, x.to, x.over, err, dirErr, x.want)
		}
		want := []string{"/a/f", "f"}
		if x.want == nil {
			want = []string{"/b/f", "f"}
		}
		if got := content(t, memory, want[0]); got != want[1] {
			t.Errorf("from %v to %v: %s has %q", x.from, x.to, want[0], got)
		}
		if x.want == nil && !x.over {
			if got := content(t, s.(mounts)[0].below, "/b/e/1"); got != "1" {
				t.Errorf("the directory is not moved: %v", memory.Files)
			}
		}
		if x.over && x.want != nil && content(t, memory, "/b/f") != "old" {
			t.Errorf("/b/f is replaced")
		}
	}
	memory := storetest.NewMemory()
	put(t, memory, "/a/f", "x")
	without := Mount{Path: "/a", Base: memory, Dir: "/a", Rules: Rules{Allowed: proxy.PermAll}}
	other := without
	other.Path = "/b"
	if _, err := Mounts(without, other).Rename(t.Context(), "/a/f", "/b/f", true); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("mounts without a place: %v", err)
	}
}

// A file that the session has written is seen after a move, and no more at its old name.
func TestOwnFileMovesBetweenMounts(t *testing.T) {
	memory := storetest.NewMemory()
	hidden := proxy.PermAll &^ (proxy.PermList | proxy.PermRead)
	s := Mounts(mountOf(memory, "/a", "/a", proxy.PermAll), mountOf(memory, "/b", "/b", hidden))
	put(t, s, "/a/f", "12345")
	put(t, s, "/b/g", "12345")
	put(t, memory, "/a/g", "secret")
	for _, name := range []string{"f", "g"} {
		if _, err := s.Rename(t.Context(), "/a/"+name, "/b/"+name, true); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := s.Stat(t.Context(), "/b/f"); err != nil || e.Size != 5 {
		t.Errorf("the own file: %+v, %v", e, err)
	}
	if e, err := s.Stat(t.Context(), "/b/g"); !errors.Is(err, proxy.ErrDenied) {
		t.Errorf("the file of another user: %+v, %v", e, err)
	}
}

func TestCopyBetweenMounts(t *testing.T) {
	ctx, memory := t.Context(), storetest.NewMemory()
	put(t, memory, "/a/f", "0123456789")
	put(t, memory, "/w/f", "secret")
	put(t, memory, "/e/f", "elsewhere")
	elsewhere := mountOf(memory, "/else", "/e", proxy.PermAll)
	elsewhere.Place = "elsewhere"
	s := Mounts(mountOf(memory, "/a", "/a", proxy.PermRead), mountOf(memory, "/b", "/b", proxy.PermWrite), mountOf(memory, "/w", "/w", dropbox), elsewhere)
	runs := storetest.Runs(storetest.New(strings.NewReader("x")), storetest.CopyOf("/a/f", "", 5, -1))
	if _, err := s.Put(ctx, "/b/copy", runs, proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, memory, "/b/copy"); got != "x56789" {
		t.Errorf("the copy has %q", got)
	}
	for from, want := range map[string]error{
		"/w/f": proxy.ErrDenied, "/b/copy": proxy.ErrDenied, "/else/f": errors.ErrUnsupported,
		"/none": fs.ErrNotExist, "/a/none": fs.ErrNotExist, "/a": syscall.EISDIR,
	} {
		if _, err := s.Put(ctx, "/b/other", storetest.Runs(storetest.CopyOf(from, "", 0, -1)), proxy.Write{}); !errors.Is(err, want) {
			t.Errorf("copy of %s: %v, want %v", from, err, want)
		}
	}
}

// Usage counts each file of a place once.
func TestUsageOfMounts(t *testing.T) {
	one, two := storetest.NewMemory(), storetest.NewMemory()
	for _, name := range []string{"/a/1", "/a/d/2", "/ab/3", "/c/4"} {
		put(t, one, name, "12345")
		put(t, two, name, "1")
	}
	s := Mounts(mountOf(one, "/x/a", "/a", proxy.PermAll), mountOf(one, "/x/d", "/a/d", 0), mountOf(one, "/x/ab", "/ab", 0),
		mountOf(one, "/x/again", "/ab", 0), mountOf(two, "/two", "/a", 0), mountOf(two, "/x/a/deep", "/c", 0))
	for dir, want := range map[string][2]int64{
		"/": {18, 6}, "/x": {16, 4}, "/x/a": {11, 3}, "/x/a/d": {5, 1}, "/x/d": {5, 1}, "/two": {2, 2}, "/two/d": {1, 1}, "/x/a/deep": {1, 1}, "/none": {0, 0},
	} {
		size, files, err := s.Usage(t.Context(), dir)
		if got := [2]int64{size, files}; got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", dir, got, err, want)
		}
	}
}

// A virtual listing ends with its context, and the rules of a mount are enforced.
func TestListOfMounts(t *testing.T) {
	memory := storetest.NewMemory()
	put(t, memory, "/a/f", "x")
	s := Mounts(mountOf(memory, "/a", "/a", proxy.PermAll&^proxy.PermList))
	for _, err := range s.List(t.Context(), "/a", "") {
		if !errors.Is(err, proxy.ErrDenied) {
			t.Errorf("a mount without list: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.List(ctx, "/", "") {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}
