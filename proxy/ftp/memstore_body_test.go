package ftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

type memBody struct {
	io.Reader
	file memFile
}

func (b memBody) Close() error       { return nil }
func (b memBody) Entry() proxy.Entry { return b.file.Entry() }

func (m *memStore) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return nil, err
	}
	f, ok := m.files[name]
	switch {
	case at.ETag != "" && (!ok || at.ETag != f.Entry().ETag):
		return nil, proxy.ErrStale
	case !ok && m.isDir(name):
		return nil, syscall.EISDIR
	case !ok:
		return nil, fs.ErrNotExist
	case at.Offset < 0 || at.Offset > f.Size():
		return nil, syscall.ESPIPE
	}
	end := f.Size()
	if at.Length > 0 {
		end = min(end, at.Offset+at.Length)
	}
	if n, ok := m.breaks[name]; ok {
		end = min(int64(n), end)
		return memBody{io.MultiReader(bytes.NewReader(f.data[min(at.Offset, end):end]), failing{errDown}), f}, nil
	}
	return memBody{bytes.NewReader(f.data[at.Offset:end]), f}, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (m *memStore) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (made proxy.Stored, err error) {
	if name == "/" {
		return made, syscall.EISDIR
	}
	var data []byte
	whole := false // of a file comes what is kept
	for {
		var run proxy.Run
		if run, err = src.Next(ctx); err == io.EOF {
			err = nil
			break
		}
		var more []byte
		switch {
		case err != nil:
		case run.Copy != nil:
			if more, whole, err = m.kept(ctx, name, *run.Copy, w.Base); err != nil {
				return made, err
			}
		default:
			more, err = io.ReadAll(run.New)
		}
		data = append(data, more...)
		if err != nil {
			break
		}
	}
	if err == nil {
		if err = src.Commit(); err != nil && len(data) > 0 {
			data = data[:len(data)-1] // so that nobody takes them for the whole
		}
	}
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if errors.Is(err, proxy.ErrDiscard) {
			delete(m.broken, name)
		} else if len(data) > 0 && !whole {
			m.broken[name] = data
		}
		return made, err
	}
	if err := m.publish(ctx, m.slow[name]); err != nil {
		return made, err
	}
	defer m.mu.Unlock()
	if err := m.begin(context.WithoutCancel(ctx), name); err != nil {
		return made, err
	}
	if _, ok := m.files[name]; ok && w.New {
		return made, fs.ErrExist
	}
	delete(m.broken, name)
	f := memFile{name, data, time.Now()}
	if mtime := src.Attributes().ModTime; !mtime.IsZero() {
		f.time = mtime
	}
	m.files[name] = f
	made = proxy.Stored{Key: name, Size: f.Size(), ETag: f.Entry().ETag}
	return made, nil
}

// publish takes so long, but no more than half a minute after its context has ended.
func (m *memStore) publish(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := time.After(d)
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-done:
		return nil
	case <-time.After(30 * time.Second):
		return ctx.Err()
	}
}

// kept returns the bytes that a Put keeps, and whether they are of a whole file.
func (m *memStore) kept(ctx context.Context, name string, c proxy.Copy, base string) (keep []byte, whole bool, err error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return nil, false, err
	}
	old, there := m.files[name]
	half, ok := m.broken[name]
	switch size := old.Size(); {
	case c.From != "" || c.Offset != 0:
		return nil, false, errors.ErrUnsupported
	case c.Length == 0:
		return nil, false, nil
	case ok && c.Length < 0 && base != "":
		return nil, false, wrongOffset(int64(len(half)))
	case ok && c.Length > 0 && (c.Length != int64(len(half)) || base != "" && base != "upload"):
		return nil, false, wrongOffset(int64(len(half)))
	case ok && c.Length > 0:
		return slices.Clone(half), false, nil
	case base != "" && c.Length > 0 && (!there || base != old.Entry().ETag), c.Length > size:
		return nil, false, wrongOffset(size)
	case c.Length < 0:
		return slices.Clone(old.data), true, nil
	}
	return slices.Clone(old.data[:c.Length]), true, nil
}

func wrongOffset(right int64) error { return &proxy.OffsetError{Offset: right, Err: syscall.ESPIPE} }
