package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

type memBody struct {
	io.Reader
	file memFile
}

func (b memBody) Close() error               { return nil }
func (b memBody) Stat() (fs.FileInfo, error) { return b.file, nil }

func (m *memStore) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return nil, err
	}
	f, ok := m.files[name]
	switch {
	case !ok && m.isDir(name):
		return nil, syscall.EISDIR
	case !ok:
		return nil, fs.ErrNotExist
	case offset < 0 || offset > f.Size():
		return nil, syscall.ESPIPE
	}
	if n, ok := m.breaks[name]; ok {
		return memBody{io.MultiReader(bytes.NewReader(f.data[offset:n]), failing{errDown}), f}, nil
	}
	return memBody{bytes.NewReader(f.data[offset:]), f}, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (m *memStore) Put(ctx context.Context, name string, r io.Reader, w Write) error {
	if name == "/" {
		return syscall.EISDIR
	}
	keep, whole, err := m.kept(ctx, name, w)
	if err != nil {
		return err
	}
	order := func() error { return nil }
	if h, ok := r.(interface{ Hold() func() error }); ok {
		order = h.Hold()
	}
	data, err := io.ReadAll(r)
	data = append(keep, data...)
	if err == nil {
		if err = order(); err != nil && len(data) > 0 {
			data = data[:len(data)-1] // so that nobody takes them for the whole
		}
	}
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if errors.Is(err, syscall.EBADMSG) {
			delete(m.broken, name)
		} else if len(data) > 0 && !whole {
			m.broken[name] = data
		}
		return err
	}
	if d := m.slow[name]; d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return err
	}
	if _, ok := m.files[name]; ok && w.New {
		return fs.ErrExist
	}
	delete(m.broken, name)
	m.files[name] = memFile{name, data, time.Now()}
	return nil
}

// kept returns the bytes that a Put keeps, and whether they are of a whole file.
func (m *memStore) kept(ctx context.Context, name string, w Write) (keep []byte, whole bool, err error) {
	if !w.Append && w.Offset == 0 {
		return nil, false, nil
	}
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return nil, false, err
	}
	old, n := m.files[name].data, w.Offset
	half, ok := m.broken[name]
	if w.Append && (!ok || w.Offset == 0) {
		n = int64(len(old))
	} else if ok && n > 0 {
		if w.Append || n != int64(len(half)) {
			return nil, false, standing{syscall.ESPIPE, int64(len(half))}
		}
		return slices.Clone(half), false, nil
	}
	if n < 0 || n > int64(len(old)) || w.Broken {
		return nil, false, standing{syscall.ESPIPE, int64(len(old))}
	}
	return slices.Clone(old[:n]), true, nil
}

// standing is an error that tells where an upload can be resumed.
type standing struct {
	error
	offset int64
}

func (s standing) Unwrap() error { return s.error }
func (s standing) Offset() int64 { return s.offset }
