package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
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
	if w.Append || w.Offset > 0 {
		return errors.ErrUnsupported
	}
	if name == "/" {
		return syscall.EISDIR
	}
	data, err := io.ReadAll(r)
	if err != nil {
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
	m.files[name] = memFile{name, data, time.Now()}
	return nil
}
