package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"testing/iotest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A memoryReader reads a file.
type memoryReader struct {
	io.Reader
	file MemoryFile
}

func (b memoryReader) Close() error       { return nil }
func (b memoryReader) Entry() proxy.Entry { return b.file.Entry() }
func (b memoryReader) Stored() proxy.Stored {
	return proxy.Stored{Key: b.file.Name, Size: b.file.Size(), ETag: b.file.Entry().ETag}
}

// Open implements proxy.Store.
func (m *Memory) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	defer m.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return nil, err
	}
	f, ok := m.Files[name]
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
	if n, ok := m.Breaks[name]; ok {
		end = min(int64(n), end)
		return memoryReader{io.MultiReader(bytes.NewReader(f.Data[min(at.Offset, end):end]), iotest.ErrReader(ErrDown)), f}, nil
	}
	return memoryReader{bytes.NewReader(f.Data[at.Offset:end]), f}, nil
}

// Put implements proxy.Store.
func (m *Memory) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (made proxy.Stored, err error) {
	if name == "/" {
		return made, syscall.EISDIR
	}
	if w.New && w.Early {
		if err := m.checkFree(ctx, name); err != nil {
			return made, err
		}
	}
	p := &memoryPut{store: m, name: name, Write: w, others: make(map[string]MemoryFile)}
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
	attributes := src.Attributes() // a request to S3 has them before its result is known
	if err := m.publish(ctx, m.Slow[name]); err != nil {
		return made, err
	}
	defer m.Unlock()
	if err := m.begin(context.WithoutCancel(ctx), name); err != nil {
		return made, err
	}
	present, there := m.Files[name]
	switch {
	case there && w.New:
		return made, fs.ErrExist
	case p.base != nil && (!there || present.Entry().ETag != p.base.Entry().ETag):
		return made, syscall.EBUSY
	}
	delete(m.Resumable, name)
	f := MemoryFile{name, p.data, time.Now()}
	if mtime := attributes.ModTime; !mtime.IsZero() {
		f.Time = mtime
	}
	m.Files[name] = f
	made = proxy.Stored{Key: name, Size: f.Size(), ETag: f.Entry().ETag}
	return made, nil
}

// checkFree returns fs.ErrExist if the file exists.
func (m *Memory) checkFree(ctx context.Context, name string) error {
	defer m.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return err
	}
	if _, there := m.Files[name]; there {
		return fs.ErrExist
	}
	return nil
}

// publish takes the time d, but at most 30 s after the end of its context.
func (m *Memory) publish(ctx context.Context, d time.Duration) error {
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

// A memoryPut is a running Put.
type memoryPut struct {
	store *Memory
	name  string
	proxy.Write
	data    []byte
	base    *MemoryFile // the version that must be replaced; nil = any
	copies  bool        // some data are from a file, so the upload cannot be resumed
	resumed bool
	others  map[string]MemoryFile // other files, in the version at their first copy
}

// read reads the source. If refused is true, a copy is not possible, and the upload is not resumable.
func (p *memoryPut) read(ctx context.Context, src proxy.Source) (refused bool, err error) {
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
func (p *memoryPut) begin(ctx context.Context, c *proxy.Copy) (done bool, err error) {
	own := c != nil && c.From == ""
	if !own && p.Base == "" {
		return false, nil
	}
	defer p.store.Unlock()
	if err := p.store.begin(ctx, p.name); err != nil {
		return false, err
	}
	if own {
		p.Base = cmp.Or(p.Base, c.ETag)
	}
	old, there := p.store.Files[p.name]
	switch {
	case own && c.Offset == 0 && c.ETag == "":
		return p.resume(*c)
	case p.Base == "" && !there:
		return false, wrongOffset(0)
	case p.Base != "" && (!there || p.Base != old.Entry().ETag):
		return false, proxy.ErrStale
	case p.New:
		return false, fs.ErrExist
	}
	p.setBase(old)
	return false, nil
}

// setBase sets the version that must be replaced.
func (p *memoryPut) setBase(f MemoryFile) {
	p.base = &f
	if p.Found != nil {
		p.Found(f.Entry())
	}
}

// resume finds the resumable upload or file of which c copies the beginning. It reports true for an upload, or for neither.
func (p *memoryPut) resume(c proxy.Copy) (resumed bool, err error) {
	old, there := p.store.Files[p.name]
	half, ok := p.store.Resumable[p.name]
	switch size := old.Size(); {
	case ok && c.Length < 0 && p.Base != "":
		return false, wrongOffset(int64(len(half)))
	case ok && c.Length > 0 && (c.Length != int64(len(half)) || p.Base != "" && p.Base != p.store.uploadID(p.name)):
		return false, wrongOffset(int64(len(half)))
	case ok && c.Length > 0:
		p.data, p.resumed = slices.Clone(half), true
		return true, nil
	case p.Base != "" && c.Length > 0 && (!there || p.Base != old.Entry().ETag), c.Length > size:
		return false, wrongOffset(size)
	}
	if there {
		p.copies = true
		p.setBase(old)
	}
	return !there, nil
}

// copy returns the bytes of a copy.
func (p *memoryPut) copy(c proxy.Copy) ([]byte, error) {
	var f MemoryFile
	switch {
	case p.resumed, c.From == "" && p.base == nil:
		return nil, errors.ErrUnsupported
	case c.From == "":
		f = *p.base
	default:
		p.store.Lock()
		now, there := p.store.Files[c.From]
		p.store.Unlock()
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
	return f.Data[c.Offset:][:c.Length], nil
}

// keep stores the data of an upload that failed with err, if it can be resumed.
func (p *memoryPut) keep(err error) {
	m := p.store
	m.Lock()
	defer m.Unlock()
	switch {
	case errors.Is(err, proxy.ErrDiscard):
		delete(m.Resumable, p.name)
	case len(p.data) > 0 && !p.copies && p.base == nil:
		m.Resumable[p.name] = p.data
		if !p.resumed {
			m.uploads++
			m.uploadIDs[p.name] = fmt.Sprint("upload-", m.uploads)
			if p.Started != nil {
				p.Started(m.uploadIDs[p.name])
			}
		}
	}
}

func wrongOffset(right int64) error { return &proxy.OffsetError{Offset: right, Err: syscall.ESPIPE} }
func (m *Memory) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	if d := m.Slow[name]; d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	defer m.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return nil, err
	}
	f, ok := m.Files[name]
	switch {
	case !ok && m.isDir(name):
		return nil, syscall.EISDIR
	case !ok:
		return nil, fs.ErrNotExist
	case etag != "" && etag != f.Entry().ETag:
		return nil, proxy.ErrStale
	case proxy.NewHash(algorithm) == nil:
		return nil, errors.ErrUnsupported
	case offset < 0 || offset > f.Size() || length > f.Size()-offset:
		return nil, syscall.ESPIPE
	case length < 0:
		length = f.Size() - offset
	}
	h := proxy.NewHash(algorithm)
	h.Write(f.Data[offset : offset+length])
	return h.Sum(nil), nil
}
