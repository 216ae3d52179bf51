package ftp

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

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// A memStore is a Store in memory. As in a bucket, a directory exists if it has entries or a marker. Tests inject faults by name, with
// fail, breaks and slow.
type memStore struct {
	mu     sync.Mutex
	files  map[string]memFile       // by name; the name of a marker ends in a slash
	broken map[string][]byte        // resumable uploads
	fail   map[string]error         // result of all methods; errPanic makes them panic
	breaks map[string]int           // a download fails after this number of bytes, a listing after this number of entries
	slow   map[string]time.Duration // a Put takes this time to publish, a Sum or a listing as a whole
}

var errPanic = errors.New("a bug in the store")

type memFile struct {
	name string
	data []byte
	time time.Time
}

func (f memFile) Size() int64 { return int64(len(f.data)) }
func (f memFile) IsDir() bool { return strings.HasSuffix(f.name, "/") }
func (f memFile) Entry() proxy.Entry {
	return proxy.Entry{Name: path.Base(f.name), Size: f.Size(), ModTime: f.time, Dir: f.IsDir(), ETag: fmt.Sprintf("%x", len(f.data))}
}

func newMemStore() *memStore {
	return &memStore{
		files: make(map[string]memFile), broken: make(map[string][]byte), fail: make(map[string]error),
		breaks: make(map[string]int), slow: make(map[string]time.Duration),
	}
}

// begin locks the store, and returns the injected error of one of the names, or fs.ErrInvalid for an invalid one.
func (m *memStore) begin(ctx context.Context, files ...string) error {
	m.mu.Lock()
	for _, name := range files {
		if err := m.fail[name]; err == errPanic {
			panic(err)
		} else if err != nil {
			return err
		}
		if clean, err := names.Resolve("/", name); err != nil || len(clean) > 1+1024 { // the key has no leading slash
			return fs.ErrInvalid
		}
	}
	return ctx.Err()
}

// below returns the sorted names below dir, including markers.
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

func (m *memStore) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return proxy.Entry{}, err
	}
	if f, ok := m.files[name]; ok && !f.IsDir() {
		return f.Entry(), nil
	}
	if dir := strings.TrimSuffix(name, "/"); m.isDir(dir) || dir == "" {
		return memFile{name: dir + "/"}.Entry(), nil
	}
	if half, ok := m.broken[name]; ok {
		return proxy.Entry{Name: path.Base(name), Size: int64(len(half)), Resumable: true, ETag: "upload"}, nil
	}
	return proxy.Entry{}, fs.ErrNotExist
}

func (m *memStore) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		if err := m.wait(ctx, dir); err != nil {
			yield(proxy.Entry{}, err)
			return
		}
		entries, err := m.list(ctx, dir, prefix)
		for i, e := range entries {
			if n, ok := m.breaks[dir]; ok && i == n {
				err = errDown
				break
			}
			if !yield(e, nil) {
				return
			}
			if i == 0 && dir != "/" {
				err = m.wait(ctx, dir+"/")
			}
			if err != nil {
				break
			}
		}
		if err != nil {
			yield(proxy.Entry{}, err)
		}
	}
}

// wait takes the time in slow: for the name of a directory at the start of its listing, for the name and a slash after the first entry.
func (m *memStore) wait(ctx context.Context, name string) error {
	select {
	case <-time.After(m.slow[name]):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memStore) list(ctx context.Context, dir, prefix string) ([]proxy.Entry, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, dir); err != nil {
		return nil, err
	}
	if dir != "/" && prefix == "" && !m.isDir(dir) {
		return nil, fs.ErrNotExist
	}
	var entries []proxy.Entry
	top := strings.TrimSuffix(dir, "/") + "/"
	for _, name := range m.below(dir) {
		rest := strings.TrimPrefix(name, top)
		entry, _, inside := strings.Cut(rest, "/")
		if rest == "" || !strings.HasPrefix(entry, prefix) {
			continue
		}
		e := m.files[name].Entry()
		if inside {
			e = memFile{name: top + entry + "/"}.Entry()
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b proxy.Entry) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(entries, func(a, b proxy.Entry) bool { return a.Name == b.Name && a.Dir == b.Dir }), nil
}

func (m *memStore) Rename(ctx context.Context, from, to string, replace bool) (done proxy.Stored, err error) {
	defer m.mu.Unlock()
	done.Key, done.From = to, from
	if err := m.begin(ctx, from, to); err != nil {
		return done, err
	}
	f, isFile := m.files[from]
	switch {
	case !isFile && !m.isDir(from):
		return done, fs.ErrNotExist
	case from == to:
		return done, nil
	case from == "/" || strings.HasPrefix(to, from+"/") && !isFile:
		return done, fs.ErrInvalid
	case m.isDir(to):
		return done, fs.ErrExist
	case isFile && !replace && m.files[to].name != "":
		return done, fs.ErrExist
	case isFile:
		delete(m.files, from)
		m.files[to] = memFile{to, f.data, f.time}
		return done, nil
	}
	if _, ok := m.files[to]; ok {
		return done, fs.ErrExist
	}
	for _, name := range m.below(from) {
		f := m.files[name]
		delete(m.files, name)
		f.name = to + strings.TrimPrefix(name, from)
		m.files[f.name] = f
	}
	return done, nil
}

func (m *memStore) Remove(ctx context.Context, name string) (done proxy.Stored, err error) {
	defer m.mu.Unlock()
	done.Key = name
	if err := m.begin(ctx, name); err != nil {
		return done, err
	}
	if f, ok := m.files[name]; ok {
		delete(m.files, name)
		done.OldETag, done.OldSize = f.Entry().ETag, f.Size()
		return done, nil
	}
	if m.isDir(name) {
		return done, syscall.EISDIR
	}
	if _, ok := m.broken[name]; ok {
		delete(m.broken, name)
		return done, nil
	}
	return done, fs.ErrNotExist
}

func (m *memStore) Mkdir(ctx context.Context, dir string) (done proxy.Stored, err error) {
	defer m.mu.Unlock()
	done.Key = dir + "/"
	if err := m.begin(ctx, dir); err != nil {
		return done, err
	}
	if _, ok := m.files[dir]; ok || m.isDir(dir) {
		return done, fs.ErrExist
	}
	m.files[dir+"/"] = memFile{name: dir + "/", time: time.Now()}
	return done, nil
}

func (m *memStore) Rmdir(ctx context.Context, dir string) (done proxy.Stored, err error) {
	defer m.mu.Unlock()
	done.Key = dir + "/"
	if err := m.begin(ctx, dir); err != nil {
		return done, err
	}
	_, isFile := m.files[dir]
	switch below := m.below(dir); {
	case len(below) == 0 && isFile:
		return done, syscall.ENOTDIR
	case len(below) == 0:
		return done, fs.ErrNotExist
	case len(below) > 1 || below[0] != dir+"/":
		return done, syscall.ENOTEMPTY
	}
	delete(m.files, dir+"/")
	return done, nil
}

func (m *memStore) SetTime(ctx context.Context, name string, mtime time.Time) (done proxy.Stored, err error) {
	defer m.mu.Unlock()
	done.Key = name
	if err := m.begin(ctx, name); err != nil {
		return done, err
	}
	f, ok := m.files[name]
	switch {
	case !ok && m.isDir(name):
		return done, syscall.EISDIR
	case !ok:
		return done, fs.ErrNotExist
	}
	f.time = mtime
	m.files[name] = f
	return done, nil
}

func (m *memStore) Usage(ctx context.Context, dir string) (size, files int64, err error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, dir); err != nil {
		return 0, 0, err
	}
	for _, name := range m.below(dir) {
		if !strings.HasSuffix(name, "/") {
			size += m.files[name].Size()
			files++
		}
	}
	return size, files, nil
}

var _ proxy.Store = (*memStore)(nil)
