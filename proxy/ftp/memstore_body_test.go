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

func (b memBody) Stored() proxy.Stored {
	e := b.file.Entry()
	return proxy.Stored{Key: b.file.name, Size: e.Size, ETag: e.ETag}
}

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
	p := &memPut{store: m, name: name, Write: w, others: make(map[string]memFile)}
	refused, err := p.read(ctx, src)
	if refused {
		return made, err
	}
	if err == nil {
		if err = src.Commit(); err != nil && len(p.data) > 0 {
			p.data = p.data[:len(p.data)-1] // a failed upload must not have the size of the complete file
		}
	}
	if err != nil {
		p.keep(err)
		return made, err
	}
	if err := m.publish(ctx, m.slow[name]); err != nil {
		return made, err
	}
	defer m.mu.Unlock()
	if err := m.begin(context.WithoutCancel(ctx), name); err != nil {
		return made, err
	}
	present, there := m.files[name]
	switch {
	case there && w.New:
		return made, fs.ErrExist
	case p.base != nil && (!there || present.Entry().ETag != p.base.Entry().ETag):
		return made, syscall.EBUSY
	}
	delete(m.broken, name)
	f := memFile{name, p.data, time.Now()}
	if mtime := src.Attributes().ModTime; !mtime.IsZero() {
		f.time = mtime
	}
	m.files[name] = f
	made = proxy.Stored{Key: name, Size: f.Size(), ETag: f.Entry().ETag}
	return made, nil
}

// publish takes the time d, but at most 30 s after the end of its context.
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

// A memPut is a running Put.
type memPut struct {
	store *memStore
	name  string
	proxy.Write
	data    []byte
	base    *memFile // the version that must be replaced; nil = any
	copies  bool     // some data are from a file, so the upload cannot be resumed
	resumed bool
	others  map[string]memFile // other files, in the version at their first copy
}

// read reads the source. If refused is true, a copy is not possible, and the upload is not resumable.
func (p *memPut) read(ctx context.Context, src proxy.Source) (refused bool, err error) {
	for first := true; ; {
		run, err := src.Next(ctx)
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if run.Copy != nil && run.Copy.Length == 0 {
			continue
		}
		if first {
			first = false
			if done, err := p.begin(ctx, run.Copy); err != nil {
				return true, err
			} else if done {
				continue
			}
		}
		var more []byte
		if run.Copy != nil {
			if more, err = p.copy(*run.Copy); err != nil {
				return true, err
			}
		} else {
			more, err = io.ReadAll(run.New)
		}
		p.data = append(p.data, more...)
		if err != nil {
			return false, err
		}
	}
}

// begin prepares the upload for its first run, which is c or, if c is nil, new bytes. It reports whether c was copied.
func (p *memPut) begin(ctx context.Context, c *proxy.Copy) (done bool, err error) {
	own := c != nil && c.From == ""
	if !own && p.Base == "" {
		return false, nil
	}
	defer p.store.mu.Unlock()
	if err := p.store.begin(ctx, p.name); err != nil {
		return false, err
	}
	old, there := p.store.files[p.name]
	switch {
	case own && c.Offset == 0:
		return p.resume(*c)
	case p.Base == "" && !there:
		return false, wrongOffset(0)
	case p.Base != "" && (!there || p.Base != old.Entry().ETag):
		return false, proxy.ErrStale
	case p.New:
		return false, fs.ErrExist
	}
	p.base = &old
	return false, nil
}

// resume finds the resumable upload or file of which c copies the beginning. It reports true for an upload, or for neither.
func (p *memPut) resume(c proxy.Copy) (resumed bool, err error) {
	old, there := p.store.files[p.name]
	half, ok := p.store.broken[p.name]
	switch size := old.Size(); {
	case ok && c.Length < 0 && p.Base != "":
		return false, wrongOffset(int64(len(half)))
	case ok && c.Length > 0 && (c.Length != int64(len(half)) || p.Base != "" && p.Base != "upload"):
		return false, wrongOffset(int64(len(half)))
	case ok && c.Length > 0:
		p.data, p.resumed = slices.Clone(half), true
		return true, nil
	case p.Base != "" && c.Length > 0 && (!there || p.Base != old.Entry().ETag), c.Length > size:
		return false, wrongOffset(size)
	}
	p.copies = true
	if there {
		p.base = &old
	}
	return !there, nil
}

// copy returns the bytes of a copy.
func (p *memPut) copy(c proxy.Copy) ([]byte, error) {
	var f memFile
	switch {
	case p.resumed, c.From == "" && p.base == nil:
		return nil, errors.ErrUnsupported
	case c.From == "":
		f = *p.base
	default:
		p.store.mu.Lock()
		now, there := p.store.files[c.From]
		p.store.mu.Unlock()
		was, seen := p.others[c.From]
		switch {
		case seen:
			now = was
		case !there && c.ETag == "":
			return nil, fs.ErrNotExist
		}
		p.others[c.From] = now
		f = now
	}
	p.copies = true
	if c.ETag != "" && c.ETag != f.Entry().ETag {
		return nil, proxy.ErrStale
	}
	if c.Length < 0 {
		c.Length = max(f.Size()-c.Offset, 0)
	}
	if c.Offset > f.Size() || c.Length > f.Size()-c.Offset {
		return nil, wrongOffset(f.Size())
	}
	return f.data[c.Offset:][:c.Length], nil
}

// keep stores the data of an upload that failed with err, if it can be resumed.
func (p *memPut) keep(err error) {
	m := p.store
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case errors.Is(err, proxy.ErrDiscard):
		delete(m.broken, p.name)
	case len(p.data) > 0 && !p.copies && p.base == nil:
		m.broken[p.name] = p.data
	}
}

func wrongOffset(right int64) error { return &proxy.OffsetError{Offset: right, Err: syscall.ESPIPE} }
