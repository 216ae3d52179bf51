package storetest

import (
	"cmp"
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
)

// A Memory is a store in memory, without [Limits]. As in a bucket, a directory exists if it has entries or a marker. Tests inject faults
// by name, with Fail, Breaks and Slow. The lock protects the fields.
type Memory struct {
	sync.Mutex
	Files     map[string]MemoryFile    // by name; the name of a marker ends in a slash
	Resumable map[string][]byte        // resumable uploads
	uploadIDs map[string]string        // of resumable uploads; those of tests are "upload"
	uploads   int                      // that got an ID
	Fail      map[string]error         // result of all methods; ErrPanic makes them panic
	Breaks    map[string]int           // a download fails after this number of bytes, a listing after this number of entries
	Slow      map[string]time.Duration // a Put takes this time to publish, a Sum or a listing as a whole
}

// ErrPanic is an error in Memory.Fail that makes methods panic.
var ErrPanic = errors.New("a bug in the store")

// ErrDown is the error of what Memory.Breaks interrupts.
var ErrDown = errors.New("secret internals: host 10.0.0.1, request id 4711")

// A MemoryFile is a file, or the marker of a directory, in a Memory.
type MemoryFile struct {
	Name string
	Data []byte
	Time time.Time
}

// Size returns the size in bytes.
func (f MemoryFile) Size() int64 { return int64(len(f.Data)) }

// IsDir reports whether f is the marker of a directory.
func (f MemoryFile) IsDir() bool { return strings.HasSuffix(f.Name, "/") }

// Entry returns the entry that the store returns for f.
func (f MemoryFile) Entry() proxy.Entry {
	return proxy.Entry{Name: path.Base(f.Name), Size: f.Size(), ModTime: f.Time, Dir: f.IsDir(), ETag: fmt.Sprintf("%x", len(f.Data))}
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		Files: make(map[string]MemoryFile), Resumable: make(map[string][]byte), uploadIDs: make(map[string]string), Fail: make(map[string]error),
		Breaks: make(map[string]int), Slow: make(map[string]time.Duration),
	}
}

// begin locks the store, and returns the injected error of one of the names, or fs.ErrInvalid for an invalid one.
func (m *Memory) begin(ctx context.Context, files ...string) error {
	m.Lock()
	for _, name := range files {
		if err := m.Fail[name]; err == ErrPanic {
			panic(err)
		} else if err != nil {
			return err
		}
		if !proxy.IsPrintable(name) || len(name) > 1+1024 { // the key has no leading slash
			return fs.ErrInvalid
		}
	}
	return ctx.Err()
}

// uploadID returns the ID of a resumable upload. The caller must hold the lock.
func (m *Memory) uploadID(name string) string { return cmp.Or(m.uploadIDs[name], "upload") }

// below returns the sorted names below dir, including markers.
func (m *Memory) below(dir string) []string {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

func (m *Memory) isDir(name string) bool { return name == "/" || len(m.below(name)) > 0 }

// Stat implements proxy.Store.
func (m *Memory) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	defer m.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return proxy.Entry{}, err
	}
	if f, ok := m.Files[name]; ok && !f.IsDir() {
		return f.Entry(), nil
	}
	if dir := strings.TrimSuffix(name, "/"); m.isDir(dir) || dir == "" {
		return MemoryFile{Name: dir + "/"}.Entry(), nil
	}
	if half, ok := m.Resumable[name]; ok {
		return proxy.Entry{Name: path.Base(name), Size: int64(len(half)), Resumable: true, ETag: m.uploadID(name)}, nil
	}
	return proxy.Entry{}, fs.ErrNotExist
}

// FileSize returns the size of a file in bytes, and fs.ErrNotExist if there is none.
func (m *Memory) FileSize(ctx context.Context, name string) (int64, error) {
	defer m.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return 0, err
	}
	if f, ok := m.Files[name]; ok {
		return f.Size(), nil
	}
	return 0, fs.ErrNotExist
}

// List implements proxy.Store.
func (m *Memory) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		if err := m.wait(ctx, dir); err != nil {
			yield(proxy.Entry{}, err)
			return
		}
		entries, err := m.list(ctx, dir, prefix)
		for i, e := range entries {
			if n, ok := m.Breaks[dir]; ok && i == n {
				err = ErrDown
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

// wait takes the time in Slow: for the name of a directory at the start of its listing, for the name and a slash after the first entry.
func (m *Memory) wait(ctx context.Context, name string) error {
	select {
	case <-time.After(m.Slow[name]):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Memory) list(ctx context.Context, dir, prefix string) ([]proxy.Entry, error) {
	defer m.Unlock()
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
		e := m.Files[name].Entry()
		if inside {
			e = MemoryFile{Name: top + entry + "/"}.Entry()
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b proxy.Entry) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(entries, func(a, b proxy.Entry) bool { return a.Name == b.Name && a.Dir == b.Dir }), nil
}

// Rename implements proxy.Store.
func (m *Memory) Rename(ctx context.Context, from, to string, replace bool) (done proxy.Stored, err error) {
	defer m.Unlock()
	done.Key, done.From = to, from
	if err := m.begin(ctx, from, to); err != nil {
		return done, err
	}
	f, isFile := m.Files[from]
	switch {
	case !isFile && !m.isDir(from):
		return done, fs.ErrNotExist
	case from == to:
		return done, nil
	case from == "/" || strings.HasPrefix(to, from+"/") && !isFile:
		return done, fs.ErrInvalid
	case m.isDir(to):
		return done, fs.ErrExist
	case isFile && !replace && m.Files[to].Name != "":
		return done, fs.ErrExist
	case isFile:
		delete(m.Files, from)
		m.Files[to] = MemoryFile{to, f.Data, f.Time}
		done.Size, done.ETag = f.Size(), f.Entry().ETag
		return done, nil
	}
	if _, ok := m.Files[to]; ok {
		return done, fs.ErrExist
	}
	for _, name := range m.below(from) {
		f := m.Files[name]
		delete(m.Files, name)
		f.Name = to + strings.TrimPrefix(name, from)
		m.Files[f.Name] = f
	}
	return done, nil
}

// Remove implements proxy.Store.
func (m *Memory) Remove(ctx context.Context, name string) (done proxy.Stored, err error) {
	defer m.Unlock()
	done.Key = name
	if err := m.begin(ctx, name); err != nil {
		return done, err
	}
	if f, ok := m.Files[name]; ok {
		delete(m.Files, name)
		done.OldSize, done.OldETag = f.Size(), f.Entry().ETag
		return done, nil
	}
	if m.isDir(name) {
		return done, syscall.EISDIR
	}
	if _, ok := m.Resumable[name]; ok {
		delete(m.Resumable, name)
		return done, nil
	}
	return done, fs.ErrNotExist
}

// Mkdir implements proxy.Store.
func (m *Memory) Mkdir(ctx context.Context, dir string) (done proxy.Stored, err error) {
	defer m.Unlock()
	done.Key = dir + "/"
	if err := m.begin(ctx, dir); err != nil {
		return done, err
	}
	if _, ok := m.Files[dir]; ok || m.isDir(dir) {
		return done, fs.ErrExist
	}
	m.Files[dir+"/"] = MemoryFile{Name: dir + "/", Time: time.Now()}
	return done, nil
}

// Rmdir implements proxy.Store.
func (m *Memory) Rmdir(ctx context.Context, dir string) (done proxy.Stored, err error) {
	defer m.Unlock()
	done.Key = dir + "/"
	if err := m.begin(ctx, dir); err != nil {
		return done, err
	}
	_, isFile := m.Files[dir]
	switch below := m.below(dir); {
	case len(below) == 0 && isFile:
		return done, syscall.ENOTDIR
	case len(below) == 0:
		return done, fs.ErrNotExist
	case len(below) > 1 || below[0] != dir+"/":
		return done, syscall.ENOTEMPTY
	}
	delete(m.Files, dir+"/")
	return done, nil
}

// SetTime implements proxy.Store.
func (m *Memory) SetTime(ctx context.Context, name string, mtime time.Time) (done proxy.Stored, err error) {
	defer m.Unlock()
	done.Key = name
	if err := m.begin(ctx, name); err != nil {
		return done, err
	}
	f, ok := m.Files[name]
	switch {
	case !ok && m.isDir(name):
		return done, syscall.EISDIR
	case !ok:
		return done, fs.ErrNotExist
	}
	f.Time = mtime
	m.Files[name] = f
	return done, nil
}

// Usage implements proxy.Store.
func (m *Memory) Usage(ctx context.Context, dir string) (size, files int64, err error) {
	defer m.Unlock()
	if err := m.begin(ctx, dir); err != nil {
		return 0, 0, err
	}
	for _, name := range m.below(dir) {
		if !strings.HasSuffix(name, "/") {
			size += m.Files[name].Size()
			files++
		}
	}
	return size, files, nil
}

var _ proxy.Store = (*Memory)(nil)
