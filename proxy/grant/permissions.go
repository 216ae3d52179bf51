package grant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Rules are what an account may do in a store.
type Rules struct {
	Allowed proxy.Permissions
	Written *Written // by the session; nil = the store made by Permissions remembers its own
	Uploads *Uploads // of the user; nil = the store made by Permissions remembers its own
}

// Permissions returns a store that does of below what the rules allow. What they forbid is proxy.ErrDenied, and below is not
// asked. Entry.Denied has the forbidden permissions.
//
// An operation needs:
//
//   - List: PermList;
//   - Stat: PermList or PermRead for a file, unless the session has written it; nothing for a directory;
//   - Open, Sum and the source of a copy: PermRead;
//   - Put: PermOverwrite if the file exists, otherwise PermWrite;
//   - Rename: PermRename, and PermOverwrite to replace a file;
//   - SetTime: PermOverwrite, or PermWrite if the session has written the file;
//   - Remove and Rmdir: PermDelete; Mkdir: PermMkdir; Usage: nothing.
//
// Without PermOverwrite, a Put is refused if the file exists before it reads its source, and again when it publishes. The
// error is then fs.ErrExist too.
//
// An upload can be resumed with PermWrite by the user who has begun it in this process, and with PermOverwrite too by
// all users. For others it does not exist.
//
// An account that may not Stat files learns of no file whether it exists: the error is proxy.ErrDenied and fs.ErrNotExist
// in both cases.
func Permissions(below proxy.Store, r Rules) proxy.Store { return newPermissions(below, "/", r) }

type permissions struct {
	below   proxy.Store
	dir     string // the directory of below that is the root; "/" = the root of below
	allowed proxy.Permissions
	written *Written
	uploads *Uploads
}

func newPermissions(below proxy.Store, dir string, r Rules) *permissions {
	p := &permissions{below, dir, r.Allowed, r.Written, r.Uploads}
	if p.written == nil {
		p.written = new(Written)
	}
	if p.uploads == nil {
		p.uploads = new(Uploads)
	}
	return p
}

// inBelow returns the name in below.
func (p *permissions) inBelow(name string) string {
	switch {
	case p.dir == "/":
		return name
	case name == "/":
		return p.dir
	}
	return p.dir + name
}

// allowsAny reports whether one of the permissions is allowed.
func (p *permissions) allowsAny(of proxy.Permissions) bool { return p.allowed&of != 0 }

// check returns an error unless all of the needed permissions are allowed.
func (p *permissions) check(op, name string, needed proxy.Permissions) error {
	if p.allowed&needed == needed {
		return nil
	}
	return failed(op, name, fmt.Errorf("needs %v: %w", needed, proxy.ErrDenied))
}

// denied are the permissions that the account lacks.
func (p *permissions) denied() proxy.Permissions { return proxy.PermAll &^ p.allowed }

// entry returns e with the permissions that the account lacks.
func (p *permissions) entry(e proxy.Entry) proxy.Entry {
	e.Denied |= p.denied()
	return e
}

// mayResume reports whether the account may resume an upload.
func (p *permissions) mayResume(upload string) bool {
	return p.allowsAny(proxy.PermWrite) && (p.allowsAny(proxy.PermOverwrite) || p.uploads.has(upload))
}

// Stat implements proxy.Store.
func (p *permissions) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	isDir := strings.HasSuffix(name, "/")
	if !isDir && !p.allowsAny(proxy.PermList|proxy.PermRead) && !p.written.has(name) {
		return p.statHidden(ctx, name)
	}
	e, err := p.below.Stat(ctx, p.inBelow(name))
	switch {
	case err != nil:
		return proxy.Entry{}, err
	case e.Resumable && !p.mayResume(e.ETag):
		return proxy.Entry{}, failed("stat", name, fs.ErrNotExist)
	}
	return p.entry(e), nil
}

// errHidden says nothing of whether a file exists.
var errHidden = fmt.Errorf("files are hidden: %w, %w", proxy.ErrDenied, fs.ErrNotExist)

// statHidden is Stat of a name that the account may only see if it is a directory or an upload that it may resume.
func (p *permissions) statHidden(ctx context.Context, name string) (proxy.Entry, error) {
	if p.allowsAny(proxy.PermWrite) && (p.allowsAny(proxy.PermOverwrite) || p.uploads.isTo(p.inBelow(name))) {
		e, err := p.below.Stat(ctx, p.inBelow(name))
		if err == nil && (e.Dir || e.Resumable && p.mayResume(e.ETag)) {
			return p.entry(e), nil
		}
	}
	e, err := p.below.Stat(ctx, p.inBelow(name)+"/")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return proxy.Entry{}, failed("stat", name, errHidden)
	case err != nil:
		return proxy.Entry{}, err
	}
	return p.entry(e), nil
}

// List implements proxy.Store.
func (p *permissions) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		if err := p.check("list", dir, proxy.PermList); err != nil {
			yield(proxy.Entry{}, err)
			return
		}
		for e, err := range p.below.List(ctx, p.inBelow(dir), prefix) {
			if err == nil {
				e = p.entry(e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Open implements proxy.Store.
func (p *permissions) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	if err := p.check("open", name, proxy.PermRead); err != nil {
		return nil, err
	}
	r, err := p.below.Open(ctx, p.inBelow(name), at)
	if err != nil || p.denied() == 0 {
		return r, err
	}
	if w, ok := r.(io.WriterTo); ok {
		return writerTo{reader{r, p}, w}, nil
	}
	return reader{r, p}, nil
}

// A reader has the permissions of the account in its Entry.
type reader struct {
	proxy.Reader
	p *permissions
}

// Entry implements proxy.Reader.
func (r reader) Entry() proxy.Entry { return r.p.entry(r.Reader.Entry()) }

// A writerTo is a reader that implements io.WriterTo.
type writerTo struct {
	reader
	io.WriterTo
}

// Rename implements proxy.Store.
func (p *permissions) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	if err := p.check("rename", from, proxy.PermRename); err != nil {
		return proxy.Stored{}, err
	}
	stored, err := p.renameInBelow(ctx, p.inBelow(from), p.inBelow(to), replace)
	if err == nil {
		p.written.rename(from, p.written, to)
	}
	return stored, err
}

// renameInBelow renames names of below, and replaces a file only if that is allowed.
func (p *permissions) renameInBelow(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	mayReplace := p.allowsAny(proxy.PermOverwrite)
	stored, err := p.below.Rename(ctx, from, to, replace && mayReplace)
	if replace && !mayReplace && errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", err, proxy.ErrDenied)
	}
	return stored, err
}

// Remove implements proxy.Store.
func (p *permissions) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	if err := p.check("remove", name, proxy.PermDelete); err != nil {
		return proxy.Stored{}, err
	}
	stored, err := p.below.Remove(ctx, p.inBelow(name))
	if err == nil {
		p.written.remove(name)
	}
	return stored, err
}

// Mkdir implements proxy.Store.
func (p *permissions) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	if err := p.check("mkdir", dir, proxy.PermMkdir); err != nil {
		return proxy.Stored{}, err
	}
	return p.below.Mkdir(ctx, p.inBelow(dir))
}

// Rmdir implements proxy.Store.
func (p *permissions) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	if err := p.check("rmdir", dir, proxy.PermDelete); err != nil {
		return proxy.Stored{}, err
	}
	return p.below.Rmdir(ctx, p.inBelow(dir))
}

// SetTime implements proxy.Store.
func (p *permissions) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	needed := proxy.PermOverwrite
	if !p.allowsAny(needed) && p.written.has(name) {
		needed = proxy.PermWrite
	}
	if err := p.check("set time", name, needed); err != nil {
		return proxy.Stored{}, err
	}
	return p.below.SetTime(ctx, p.inBelow(name), mtime)
}

// Sum implements proxy.Store.
func (p *permissions) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	if err := p.check("sum", name, proxy.PermRead); err != nil {
		return nil, err
	}
	return p.below.Sum(ctx, p.inBelow(name), etag, algorithm, offset, length)
}

// Usage implements proxy.Store.
func (p *permissions) Usage(ctx context.Context, dir string) (bytes, files int64, err error) {
	return p.below.Usage(ctx, p.inBelow(dir))
}
