package grant

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A guarded store fails the test on any name that the current operation does not need.
type guarded struct {
	*storetest.Memory
	t       *testing.T
	id      string
	allowed map[string]bool // names, each after the ID of its store
	now     string          // the operation
}

func (g *guarded) check(names ...string) {
	for _, name := range names {
		if !g.allowed[g.id+strings.TrimSuffix(name, "/")] {
			g.t.Fatalf("%s reaches %q of the store %s; want one of %v", g.now, name, g.id, g.allowed)
		}
	}
}

func (g *guarded) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	g.check(name)
	return g.Memory.Stat(ctx, name)
}

func (g *guarded) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	g.check(dir)
	if strings.Contains(prefix, "/") {
		g.t.Fatalf("%s lists %q with the prefix %q", g.now, dir, prefix)
	}
	return g.Memory.List(ctx, dir, prefix)
}

func (g *guarded) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	g.check(name)
	return g.Memory.Open(ctx, name, at)
}

func (g *guarded) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	g.check(name)
	return g.Memory.Put(ctx, name, guardedSource{src, g}, w)
}

type guardedSource struct {
	proxy.Source
	*guarded
}

func (s guardedSource) Next(ctx context.Context) (proxy.Run, error) {
	run, err := s.Source.Next(ctx)
	if err == nil && run.Copy != nil && run.Copy.From != "" {
		s.check(run.Copy.From)
	}
	return run, err
}

func (g *guarded) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	g.check(from, to)
	return g.Memory.Rename(ctx, from, to, replace)
}

func (g *guarded) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	g.check(name)
	return g.Memory.Remove(ctx, name)
}

func (g *guarded) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	g.check(dir)
	return g.Memory.Mkdir(ctx, dir)
}

func (g *guarded) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	g.check(dir)
	return g.Memory.Rmdir(ctx, dir)
}

func (g *guarded) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	g.check(name)
	return g.Memory.SetTime(ctx, name, mtime)
}

func (g *guarded) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	g.check(name)
	return g.Memory.Sum(ctx, name, etag, algorithm, offset, length)
}

func (g *guarded) Usage(ctx context.Context, dir string) (bytes, files int64, err error) {
	g.check(dir)
	return g.Memory.Usage(ctx, dir)
}

// layouts are mounts by their paths: the store, and the directory in it.
func layouts() []map[string][2]string {
	return []map[string][2]string{
		{"/in": {"one", "/data/in"}, "/out": {"one", "/data/out"}, "/far": {"two", "/data/in"}},
		{"/a": {"one", "/a"}, "/a/b": {"one", "/b"}, "/a/b/c": {"two", "/"}, "/ab": {"one", "/ab"}},
		{"/": {"one", "/root"}, "/a": {"one", "/root-2"}, "/a/b/c": {"one", "/data"}},
		{"/x/y/z": {"one", "/"}, "/x/in": {"two", "/in"}},
	}
}

// elements are those of the names that are tested.
var elements = []string{
	"a", "b", "c", "ab", "in", "in2", "out", "x", "y", "z", "far", "root", "root-2", "data", "f",
	"..", ".", "", "a.", "..a", "-", "é", "a\x00", "\xff",
}

// A dice makes decisions from bytes.
type dice struct{ rest []byte }

func (d *dice) roll(n int) int {
	if len(d.rest) == 0 {
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return int(b) % n
}

func (d *dice) name() string {
	name := ""
	for range d.roll(6) {
		name += "/" + elements[d.roll(len(elements))]
	}
	if name == "" || d.roll(16) == 1 {
		name += "/"
	}
	return name
}

// expected returns the name to which a layout leads, after the ID of the store; "" = none. It judges element by element.
func expected(layout map[string][2]string, name string) string {
	all := strings.Split(strings.TrimPrefix(strings.TrimSuffix(name, "/"), "/"), "/")
	for n := len(all); n >= 0; n-- {
		if at, ok := layout["/"+strings.Join(all[:n], "/")]; ok {
			rest := strings.Join(all[n:], "/")
			return at[0] + strings.TrimSuffix(strings.TrimSuffix(at[1], "/")+"/"+rest, "/")
		}
	}
	return ""
}

// playMounts runs the operations that data encode on one of the layouts.
func playMounts(t *testing.T, data []byte) {
	d := &dice{data}
	layout := layouts()[d.roll(len(layouts()))]
	stores := map[string]*guarded{}
	for _, id := range []string{"one", "two"} {
		memory := storetest.NewMemory()
		for _, name := range []string{"/secret", "/data/secret", "/data/inside/f", "/rooted", "/f/secret"} {
			memory.Files[name] = storetest.MemoryFile{Name: name, Data: []byte("secret")}
		}
		stores[id] = &guarded{Memory: memory, t: t, id: id, allowed: map[string]bool{}}
	}
	var all []Mount
	for at, is := range layout {
		rules := Rules{Allowed: proxy.PermAll}
		if d.roll(4) == 1 {
			rules.Allowed = proxy.Permissions(d.roll(128))
		}
		all = append(all, Mount{Path: at, Rules: rules, Base: stores[is[0]], Dir: is[1], Place: is[0]})
	}
	slices.SortFunc(all, func(a, b Mount) int { return strings.Compare(a.Path, b.Path) })
	s := Mounts(all...)
	for len(d.rest) > 0 {
		playOperation(t, d, s, layout, stores)
	}
}

// playOperation runs one operation. Only what its names lead to may be reached.
func playOperation(t *testing.T, d *dice, s proxy.Store, layout map[string][2]string, stores map[string]*guarded) {
	ctx, op, a, b := t.Context(), d.roll(11), d.name(), d.name()
	allowed := map[string]bool{expected(layout, a): true}
	if op == 3 || op == 4 { // with two names
		allowed[expected(layout, b)] = true
	}
	if op == 10 {
		for at := range layout {
			allowed[expected(layout, at)] = true
		}
	}
	for _, g := range stores {
		clear(g.allowed)
		for name := range allowed {
			g.allowed[name] = name != ""
		}
		g.now = fmt.Sprintf("operation %d on %q and %q", op, a, b)
	}
	switch op {
	case 0:
		s.Stat(ctx, a)
	case 1:
		for e, err := range s.List(ctx, a, []string{"", "a", "../", "b/"}[d.roll(4)]) {
			if err == nil && !proxy.IsElement(e.Name) {
				t.Fatalf("%q is listed in %q", e.Name, a)
			}
		}
	case 2:
		s.Put(ctx, a, storetest.Source(strings.NewReader("x")), proxy.Write{})
	case 3:
		s.Put(ctx, a, storetest.Runs(storetest.CopyOf(b, "", 0, -1)), proxy.Write{})
	case 4:
		s.Rename(ctx, a, b, d.roll(2) == 1)
	case 5:
		s.Remove(ctx, a)
	case 6:
		s.Mkdir(ctx, a)
	case 7:
		s.Rmdir(ctx, a)
	case 8:
		s.SetTime(ctx, a, time.Unix(1, 0))
	case 9:
		if r, err := s.Open(ctx, a, proxy.Range{}); err == nil {
			io.Copy(io.Discard, r)
			r.Close()
		}
		s.Sum(ctx, a, "", "MD5", 0, -1)
	case 10:
		s.Usage(ctx, a)
	}
}

// FuzzMounts: no name leads out of the mounts.
func FuzzMounts(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(randomBytes(seed, 200))
	}
	f.Fuzz(playMounts)
}

// TestRandomNamesInMounts plays many random operations.
func TestRandomNamesInMounts(t *testing.T) {
	for seed := range uint64(300) {
		playMounts(t, randomBytes(seed, 2000))
	}
}

func randomBytes(seed uint64, n int) []byte {
	random, data := rand.New(rand.NewPCG(seed, 1)), make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}
