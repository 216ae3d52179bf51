package grant

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Mount is a directory of a store that an account has under a path of its own.
type Mount struct {
	Path  string      // absolute and clean, e.g. "/in"; "/" = all that lies in no other mount
	Rules Rules       // Written and Uploads must not be shared by mounts of different places
	Base  proxy.Store // has the directory
	Dir   string      // of Base, absolute and clean; "/" = all of it; it need not exist

	// Place identifies what Base stores to, e.g. endpoint, bucket and credentials. Files can be renamed and copied between
	// mounts with equal places: the Base of one then has the files of the other. It must be comparable; nil equals no other.
	Place any
}

// Mounts returns a store of mounts. A name belongs to the mount with the longest path above it, which hides what other mounts
// have there.
//
// The mounts and the directories above them exist always, and are empty if nothing is there. They cannot be changed, removed or
// renamed, which is proxy.ErrDenied. Directories above all mounts have no files, and can be listed with any permissions.
//
// A rename to another mount needs more than one within a mount, because the file leaves the rules of its mount: PermRename, PermRead
// and PermDelete there, PermWrite in the other one, and PermOverwrite to replace a file. A copy needs PermRead for its source.
// Between mounts of different places, both are errors.ErrUnsupported.
//
// Usage counts files of a place once, even if several mounts have them, and those that are hidden.
func Mounts(all ...Mount) proxy.Store {
	var m mounts
	for _, mt := range all {
		m = append(m, &mount{newPermissions(mt.Base, mt.Dir, mt.Rules), mt.Path, mt.Place})
	}
	slices.SortFunc(m, func(a, b *mount) int { return cmp.Compare(len(b.path), len(a.path)) })
	return m
}

// mounts are sorted by the lengths of their paths, the longest first.
type mounts []*mount

type mount struct {
	*permissions
	path  string
	place any
}

// find returns the mount of a name, and the name in it; nil = none.
func (m mounts) find(name string) (*mount, string) {
	for _, mt := range m {
		if isWithin(mt.path, name) {
			return mt, "/" + strings.TrimPrefix(strings.TrimPrefix(name, mt.path), "/")
		}
	}
	return nil, ""
}

// isFixed reports whether a name is the root, a mount or a directory above one.
func (m mounts) isFixed(name string) bool {
	return name == "/" || slices.ContainsFunc(m, func(mt *mount) bool { return isWithin(name, mt.path) })
}

// clean returns a name without a slash at its end. A name that is not clean is fs.ErrInvalid: it could lead out of a mount.
func clean(op, name string) (string, error) {
	plain := strings.TrimSuffix(name, "/")
	if name == "/" {
		plain = "/"
	}
	if !path.IsAbs(plain) || path.Clean(plain) != plain {
		return "", failed(op, name, fs.ErrInvalid)
	}
	return plain, nil
}

// within returns the mount of a name that is not fixed, and the name in it. It returns fixed for a fixed name, and outside for one
// that is in no mount.
func (m mounts) within(op, name string, fixed, outside error) (*mount, string, error) {
	plain, err := clean(op, name)
	if err != nil {
		return nil, "", err
	}
	mt, rest := m.find(plain)
	switch {
	case m.isFixed(plain):
		return nil, "", failed(op, name, fixed)
	case mt == nil:
		return nil, "", failed(op, name, outside)
	}
	return mt, rest + strings.TrimPrefix(name, plain), nil
}

// errOutside refuses changes outside of all mounts.
var errOutside = fmt.Errorf("only mounts can be changed: %w", proxy.ErrDenied)

// fixedEntry describes a fixed directory.
func (m mounts) fixedEntry(name string) proxy.Entry {
	e := proxy.Entry{Name: path.Base(name), Dir: true, Fixed: true, Denied: proxy.PermAll &^ proxy.PermList}
	if mt, _ := m.find(name); mt != nil {
		e.Denied = mt.denied()
	}
	return e
}

// Stat implements proxy.Store.
func (m mounts) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	if plain, err := clean("stat", name); err == nil && m.isFixed(plain) {
		return m.fixedEntry(plain), nil
	}
	mt, rest, err := m.within("stat", name, nil, fs.ErrNotExist)
	if err != nil {
		return proxy.Entry{}, err
	}
	return mt.Stat(ctx, rest)
}

// Open implements proxy.Store.
func (m mounts) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	mt, rest, err := m.within("open", name, syscall.EISDIR, fs.ErrNotExist)
	if err != nil {
		return nil, err
	}
	return mt.Open(ctx, rest, at)
}

// Put implements proxy.Store.
func (m mounts) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	mt, rest, err := m.within("put", name, syscall.EISDIR, errOutside)
	if err != nil {
		return proxy.Stored{}, err
	}
	return mt.put(ctx, rest, src, w, func(name string) (string, error) {
		from, rest, err := m.within("copy", name, syscall.EISDIR, fs.ErrNotExist)
		switch {
		case err != nil:
			return "", err
		case from != mt && !from.isBeside(mt):
			return "", failed("copy", name, errors.ErrUnsupported)
		}
		return from.copySource(rest)
	})
}

// isBeside reports whether files can be renamed and copied to another mount.
func (mt *mount) isBeside(other *mount) bool { return mt.place != nil && mt.place == other.place }

// Rename implements proxy.Store.
func (m mounts) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	source, fromRest, err := m.within("rename", from, errOutside, fs.ErrNotExist)
	if err != nil {
		return proxy.Stored{}, err
	}
	target, toRest, err := m.within("rename", to, errOutside, errOutside)
	switch {
	case err != nil:
		return proxy.Stored{}, err
	case source == target:
		return source.Rename(ctx, fromRest, toRest, replace)
	}
	return source.moveTo(ctx, target, fromRest, toRest, replace)
}

// moveTo renames a file or directory to a name of another mount.
func (mt *mount) moveTo(ctx context.Context, target *mount, from, to string, replace bool) (proxy.Stored, error) {
	if err := mt.check("rename", from, proxy.PermRename|proxy.PermRead|proxy.PermDelete); err != nil {
		return proxy.Stored{}, err
	}
	if err := target.check("rename", to, proxy.PermWrite); err != nil {
		return proxy.Stored{}, err
	}
	if !mt.isBeside(target) {
		return proxy.Stored{}, failed("rename", from, fmt.Errorf("to a mount of another place: %w", errors.ErrUnsupported))
	}
	stored, err := target.renameInBelow(ctx, mt.inBelow(from), target.inBelow(to), replace)
	if err == nil {
		mt.written.rename(from, target.written, to)
	}
	return stored, err
}

// Remove implements proxy.Store.
func (m mounts) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	mt, rest, err := m.within("remove", name, syscall.EISDIR, fs.ErrNotExist)
	if err != nil {
		return proxy.Stored{}, err
	}
	return mt.Remove(ctx, rest)
}

// Mkdir implements proxy.Store.
func (m mounts) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	mt, rest, err := m.within("mkdir", dir, fs.ErrExist, errOutside)
	if err != nil {
		return proxy.Stored{}, err
	}
	return mt.Mkdir(ctx, rest)
}

// Rmdir implements proxy.Store.
func (m mounts) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	mt, rest, err := m.within("rmdir", dir, errOutside, fs.ErrNotExist)
	if err != nil {
		return proxy.Stored{}, err
	}
	return mt.Rmdir(ctx, rest)
}

// SetTime implements proxy.Store.
func (m mounts) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	mt, rest, err := m.within("set time", name, syscall.EISDIR, fs.ErrNotExist)
	if err != nil {
		return proxy.Stored{}, err
	}
	return mt.SetTime(ctx, rest, mtime)
}

// Sum implements proxy.Store.
func (m mounts) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	mt, rest, err := m.within("sum", name, syscall.EISDIR, fs.ErrNotExist)
	if err != nil {
		return nil, err
	}
	return mt.Sum(ctx, rest, etag, algorithm, offset, length)
}

// Usage implements proxy.Store.
func (m mounts) Usage(ctx context.Context, dir string) (bytes, files int64, err error) {
	plain, err := clean("usage", dir)
	if err != nil {
		return 0, 0, err
	}
	for _, u := range m.usedBy(plain) {
		b, f, err := u.Usage(ctx, u.dir)
		if err != nil {
			return 0, 0, err
		}
		bytes, files = bytes+b, files+f
	}
	return bytes, files, nil
}

// A usedDir is a directory of a mount.
type usedDir struct {
	*mount
	dir string
}

// usedBy returns the directories in which the files of dir are, without those that lie within another one.
func (m mounts) usedBy(dir string) (used []usedDir) {
	mt, rest := m.find(dir)
	if mt != nil {
		used = append(used, usedDir{mt, rest})
	}
	for _, below := range m {
		if below != mt && isWithin(dir, below.path) {
			used = append(used, usedDir{below, "/"})
		}
	}
	for i := 0; i < len(used); {
		u := used[i]
		contained := func(by usedDir) bool {
			outer, inner := by.inBelow(by.dir), u.inBelow(u.dir)
			return by != u && by.isBeside(u.mount) && isWithin(outer, inner)
		}
		if slices.ContainsFunc(used, contained) {
			used = slices.Delete(used, i, i+1)
			continue
		}
		i++
	}
	return used
}
