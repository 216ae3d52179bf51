package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A memStore is a Store in memory, which like a bucket has directories only where there is something in them,
// or a marker. What is wrong with a name is said in fail, breaks and slow.
type memStore struct {
	mu     sync.Mutex
	files  map[string]memFile       // by name; a marker's ends in a slash
	broken map[string][]byte        // what came of uploads that broke
	fail   map[string]error         // answers all methods; errPanic makes them panic
	breaks map[string]int           // bytes that a body gives before the store is down
	slow   map[string]time.Duration // what a Put needs to publish what it has read, and a Sum at all
}

var errPanic = errors.New("a mistake in the store")

type memFile struct {
	name string
	data []byte
	time time.Time
}

func (f memFile) Name() string       { return path.Base(f.name) }
func (f memFile) Size() int64        { return int64(len(f.data)) }
func (f memFile) ModTime() time.Time { return f.time }
func (f memFile) IsDir() bool        { return strings.HasSuffix(f.name, "/") }
func (f memFile) Sys() any           { return nil }
func (f memFile) Unique() string     { return fmt.Sprintf("%x", len(f.data)) }
func (f memFile) Mode() fs.FileMode {
	if f.IsDir() {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func newMemStore() *memStore {
	return &memStore{
		files: make(map[string]memFile), broken: make(map[string][]byte), fail: make(map[string]error),
		breaks: make(map[string]int), slow: make(map[string]time.Duration),
	}
}

// begin locks the store, and says what is wrong with the names.
func (m *memStore) begin(ctx context.Context, names ...string) error {
	m.mu.Lock()
	for _, name := range names {
		if err := m.fail[name]; err == errPanic {
			panic(err)
		} else if err != nil {
			return err
		}
		if clean, err := resolve("/", name); err != nil || len(clean) > 1+1024 { // a key has no slash in front
			return fs.ErrInvalid
		}
	}
	return ctx.Err()
}

// below returns the names under dir, markers too, sorted.
func (m *memStore) below(dir string) []string {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

func (m *memStore) isDir(name string) bool { return name == "/" || len(m.below(name)) > 0 }

func (m *memStore) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return nil, err
	}
	if f, ok := m.files[name]; ok && !f.IsDir() {
		return f, nil
	}
	if dir := strings.TrimSuffix(name, "/"); m.isDir(dir) || dir == "" {
		return memFile{name: dir + "/"}, nil
	}
	if half, ok := m.broken[name]; ok {
		return nil, standing{fs.ErrNotExist, int64(len(half))}
	}
	return nil, fs.ErrNotExist
}

func (m *memStore) List(ctx context.Context, dir, prefix string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		infos, err := m.list(ctx, dir, prefix)
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (m *memStore) list(ctx context.Context, dir, prefix string) ([]fs.FileInfo, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, dir); err != nil {
		return nil, err
	}
	if dir != "/" && prefix == "" && !m.isDir(dir) {
		return nil, fs.ErrNotExist
	}
	var infos []fs.FileInfo
	top := strings.TrimSuffix(dir, "/") + "/"
	for _, name := range m.below(dir) {
		rest := strings.TrimPrefix(name, top)
		entry, _, inside := strings.Cut(rest, "/")
		if rest == "" || !strings.HasPrefix(entry, prefix) {
			continue
		}
		f := m.files[name]
		if inside {
			f = memFile{name: top + entry + "/"}
		}
		if n := len(infos); n == 0 || infos[n-1].Name() != f.Name() || infos[n-1].IsDir() != f.IsDir() {
			infos = append(infos, f)
		}
	}
	slices.SortStableFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	return slices.CompactFunc(infos, func(a, b fs.FileInfo) bool { return a.Name() == b.Name() && a.IsDir() == b.IsDir() }), nil
}

func (m *memStore) Rename(ctx context.Context, from, to string) error {
	defer m.mu.Unlock()
	if err := m.begin(ctx, from, to); err != nil {
		return err
	}
	f, isFile := m.files[from]
	switch {
	case !isFile && !m.isDir(from):
		return fs.ErrNotExist
	case from == to:
		return nil
	case from == "/" || strings.HasPrefix(to, from+"/") && !isFile:
		return fs.ErrInvalid
	case m.isDir(to):
		return fs.ErrExist
	case isFile:
		delete(m.files, from)
		m.files[to] = memFile{to, f.data, f.time}
		return nil
	}
	if _, ok := m.files[to]; ok {
		return fs.ErrExist
	}
	for _, name := range m.below(from) {
		f := m.files[name]
		delete(m.files, name)
		f.name = to + strings.TrimPrefix(name, from)
		m.files[f.name] = f
	}
	return nil
}

func (m *memStore) Remove(ctx context.Context, name string) error {
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return err
	}
	if _, ok := m.files[name]; ok {
		delete(m.files, name)
		return nil
	}
	if m.isDir(name) {
		return syscall.EISDIR
	}
	if _, ok := m.broken[name]; ok {
		delete(m.broken, name)
		return nil
	}
	return fs.ErrNotExist
}

func (m *memStore) Mkdir(ctx context.Context, dir string) error {
	defer m.mu.Unlock()
	if err := m.begin(ctx, dir); err != nil {
		return err
	}
	if _, ok := m.files[dir]; ok || m.isDir(dir) {
		return fs.ErrExist
	}
	m.files[dir+"/"] = memFile{name: dir + "/", time: time.Now()}
	return nil
}

func (m *memStore) Rmdir(ctx context.Context, dir string) error {
	defer m.mu.Unlock()
	if err := m.begin(ctx, dir); err != nil {
		return err
	}
	_, isFile := m.files[dir]
	switch below := m.below(dir); {
	case len(below) == 0 && isFile:
		return syscall.ENOTDIR
	case len(below) == 0:
		return fs.ErrNotExist
	case len(below) > 1 || below[0] != dir+"/":
		return syscall.ENOTEMPTY
	}
	delete(m.files, dir+"/")
	return nil
}

func (m *memStore) SetTime(ctx context.Context, name string, mtime time.Time) error {
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return err
	}
	f, ok := m.files[name]
	switch {
	case !ok && m.isDir(name):
		return syscall.EISDIR
	case !ok:
		return fs.ErrNotExist
	}
	f.time = mtime
	m.files[name] = f
	return nil
}

var _ Store = (*memStore)(nil)
