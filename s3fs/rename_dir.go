package s3fs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A dirRename is the rename of a directory. It holds the locks of both names until the new one is reserved. After
// that it locks one object at a time, and the watches record changes by other sessions of this process.
type dirRename struct {
	*FS
	source, target     string
	oldWatch, newWatch *nameWatch // of the keys in source and in target
	marker             string     // ETag of the marker that reserves target
	mu                 sync.Mutex
	copies             etagsByKey           // that S3 may have made
	written            map[string]time.Time // LastModified of the copies, if known
}

// renameDirLocked renames a directory under a lock that excludes other directory renames of the same names. It waits
// for that lock without holding l, the lock of the names.
func (f *FS) renameDirLocked(ctx context.Context, source, target string, l *nameLock) error {
	l.release()
	dirs := f.newNameLock(source+"/", target+"/") // with a slash, unlike the names in l
	if err := dirs.acquire(ctx); err != nil {
		return err
	}
	defer dirs.release()
	if err := l.acquire(ctx); err != nil {
		return err
	}
	return f.renameDir(ctx, source, target, l)
}

// renameDir moves all keys that begin with source. Until the first source is deleted, an error leaves nothing at the
// new name. After that, everything is at the new name, and the sources not deleted yet are at the old name too.
func (f *FS) renameDir(ctx context.Context, source, target string, l *nameLock) error {
	if _, err := f.head(ctx, strings.TrimSuffix(target, "/")); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	d := &dirRename{FS: f, source: source, target: target, copies: make(etagsByKey), written: make(map[string]time.Time)}
	ctx, d.oldWatch = f.watch(ctx, source)
	defer d.oldWatch.stop()
	ctx, d.newWatch = f.watch(ctx, target)
	defer d.newWatch.stop()
	objects, err := f.listForRename(ctx, source)
	if err == nil && len(objects) == 0 {
		err = fs.ErrNotExist // deleted since the caller has found it
	}
	if err != nil {
		return err
	}
	if d.marker, err = f.reserve(ctx, target); err != nil {
		return err
	}
	l.release()
	if err := d.copyAll(ctx, objects); err != nil {
		return errors.Join(err, d.undo(ctx))
	}
	return d.deleteSources(ctx, objects)
}

// undo deletes the copies and the marker.
func (d *dirRename) undo(ctx context.Context) error {
	if d.copies[d.target] == "" {
		d.copies[d.target] = d.marker
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer cancel()
	_, err := d.deleteAllUnchanged(ctx, d.target, d.copies, d.written, d.newWatch)
	return err
}

// deleteSources deletes the sources, and updates the copies of those that other sessions have changed or deleted
// meanwhile.
func (d *dirRename) deleteSources(ctx context.Context, objects []object) error {
	ctx, cancel := d.client.withCopyGrace(ctx) // everything is copied: the rename outlives its caller
	defer cancel()
	for key := range d.copies {
		d.abortSuperseded(ctx, key, "")
	}
	deleted, end := false, d.abortAfterDirDelete(ctx, d.source)
	defer func() { end(deleted) }()
	sources, written := make(etagsByKey), make(map[string]time.Time)
	for _, o := range objects {
		sources[o.key], written[o.key] = o.etag, o.mtime
	}
	if sources[d.source] == "" {
		if err := d.deleteReservation(ctx); err != nil {
			return err
		}
	}
	late, err := d.deleteAllUnchanged(ctx, d.source, sources, written, d.oldWatch)
	if err != nil {
		return err
	}
	gone := 0
	for _, key := range late {
		exists, err := d.reconcile(ctx, key)
		if err != nil {
			return err
		}
		if !exists {
			gone++
		}
	}
	for _, o := range objects {
		d.abortSuperseded(ctx, o.key, "")
	}
	deleted = true
	if gone == len(objects) {
		return fs.ErrNotExist
	}
	return nil
}

// deleteReservation deletes the marker that has reserved the new name, unless another session of this process has
// replaced it.
func (d *dirRename) deleteReservation(ctx context.Context) error {
	l := d.newNameLock(d.target)
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	if !d.newWatch.sawWrite(d.bucketKey(d.target)) {
		d.deleteReservationMarker(ctx, d.target, d.marker)
	}
	return nil
}

// reconcile renames an object that another session has changed, or deletes the copy of an object that a session of
// this process has deleted. It reports whether the object or its copy still exists. If another session has replaced
// the copy, both stay. If another process has removed the source, the copy stays, because that process may have
// renamed the source to the copy's name.
func (d *dirRename) reconcile(ctx context.Context, key string) (exists bool, err error) {
	to := d.target + strings.TrimPrefix(key, d.source)
	l := d.newNameLock(key, to)
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer l.release()
	is, err := d.head(ctx, key)
	exists = !errors.Is(err, fs.ErrNotExist)
	switch {
	case exists && err != nil:
		return true, err
	case d.newWatch.sawWrite(d.bucketKey(to)) || exists && d.exceedsCopyLimit(is.size):
		d.log.WarnContext(ctx, "object written during the rename of its directory, source not deleted", "key", key)
		return exists, nil
	case !exists && !d.oldWatch.sawWrite(d.bucketKey(key)):
		d.log.WarnContext(ctx, "object removed by another process during the rename of its directory, copy not deleted", "key", key)
		return true, nil
	case !exists:
		return false, d.deleteUnchanged(ctx, to, d.copies[to], nil)
	}
	o := object{key: key, size: is.size, etag: is.etag, class: is.class, head: is.head}
	if _, err := d.copy(ctx, o, to, condition{match: quoted(d.copies[to])}, l); err != nil {
		return true, fmt.Errorf("%w: %q: %v", errBusy, key, err)
	}
	err = d.deleteUnchanged(ctx, key, is.etag, is.head)
	if errors.Is(err, errRewritten) {
		err = fmt.Errorf("%w: %q: %v", errBusy, key, err)
	}
	return true, err
}

// reserve stores the marker of a directory that does not exist, and returns its ETag. Of two renames to one name, or
// a rename and a MKD, one fails with fs.ErrExist: it could not tell its own copies from those of the other when it
// removes them.
func (f *FS) reserve(ctx context.Context, dir string) (etag string, err error) {
	ctx, cancel, err := changeContext(ctx)
	if err != nil {
		return "", err
	}
	defer cancel()
	own := markerType + "; reserved=" + strings.ToLower(rand.Text()) // unique, unlike another session's marker
	etag, err = f.putMarkerIfAbsent(ctx, dir, own)
	switch {
	case isConditionFailed(err):
		return "", fmt.Errorf("%w: %w", fs.ErrExist, err)
	case err != nil:
		return "", err
	}
	objects, err := f.firstKeys(ctx, dir, 2)
	if err == nil && slices.ContainsFunc(objects, func(o object) bool { return o.key != dir }) {
		err = fs.ErrExist // made since the caller has looked for it
	}
	if err != nil {
		f.deleteReservationMarker(ctx, dir, etag)
	}
	return etag, err
}

// deleteReservationMarker deletes the marker that has reserved a name, unless another process has replaced it. etag
// is "" if no marker was made.
func (f *FS) deleteReservationMarker(ctx context.Context, dir, etag string) {
	if etag == "" {
		return
	}
	err := f.deleteMarker(ctx, dir, etag, 1, func() (string, error) {
		objects, err := f.firstKeys(ctx, dir, 1)
		switch {
		case err != nil:
			return "", err
		case len(objects) == 0 || objects[0].key != dir:
			return "", fs.ErrNotExist
		}
		return objects[0].etag, nil
	})
	if err != nil && !isConditionFailed(err) {
		f.log.WarnContext(ctx, "marker that reserved a name not deleted", "key", dir, "err", err)
	}
}

// copyAll copies the objects of a directory: first the small ones, several at the same time, then one by one those
// that are copied in parts. It records the copies that S3 may have made, also after an error.
//
// Where the service supports conditions, a copy replaces no object that was stored meanwhile.
func (d *dirRename) copyAll(ctx context.Context, objects []object) error {
	var small, large []object
	for _, o := range objects {
		if d.exceedsCopyLimit(o.size) {
			large = append(large, o)
		} else {
			small = append(small, o)
		}
	}
	err := forEach(ctx, small, d.copyOne)
	for _, o := range large {
		if err == nil {
			err = doRecovered(ctx, o, d.copyOne)
		}
	}
	return err
}

// copyOne copies an object of the directory, under the locks of both names.
func (d *dirRename) copyOne(ctx context.Context, o object) error {
	to := d.target + strings.TrimPrefix(o.key, d.source)
	cond := ifAbsent
	if to == d.target {
		cond = condition{match: quoted(d.marker)} // stored by reserve
	}
	l := d.newNameLock(o.key, to)
	l.check = func(context.Context) error {
		if d.newWatch.sawWrite(d.bucketKey(to)) {
			return fmt.Errorf("%q was stored meanwhile: %w", to, fs.ErrExist)
		}
		return nil
	}
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	d.oldWatch.forget(d.bucketKey(o.key)) // earlier changes are in the copy; a copy in parts releases the lock, and can miss later ones
	made, err := d.copy(ctx, o, to, cond, l)
	if made.etag != "" {
		d.mu.Lock()
		d.copies[to], d.written[to] = made.etag, made.modified
		d.mu.Unlock()
	}
	if isObjectChanged(err) && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %q: %v", errBusy, o.key, err)
	}
	return err
}

// listForRename lists the objects of a directory. More than renameMax are syscall.EFBIG.
func (f *FS) listForRename(ctx context.Context, dir string) (objects []object, err error) {
	for page, err := range f.pages(ctx, dir, "") {
		if err != nil {
			return nil, err
		}
		objects = append(objects, page.objects...)
		if len(objects) > f.renameMax {
			return nil, fmt.Errorf("more than %d objects: %w", f.renameMax, syscall.EFBIG)
		}
	}
	return objects, nil
}
