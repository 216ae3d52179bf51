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

// maxConcurrentCopies is how many objects, or parts of one, S3 copies at a time.
const maxConcurrentCopies = 16

// A dirRename is the rename of a directory. The locks of both names are held until the new one is reserved; after that, one object at a time
// is locked, and the watches tell what other sessions of this process have changed meanwhile.
type dirRename struct {
	*FS
	source, target     string
	oldWatch, newWatch *nameWatch // of the keys in source and in target
	marker             string     // ETag of the marker that reserves target
	mu                 sync.Mutex
	copies             etagsByKey           // that may have been made
	written            map[string]time.Time // LastModified of the copies, as far as known
}

// renameDirLocked renames a directory when no other rename of a directory has one of the names. It waits for that without the locks of
// the names.
func (f *FS) renameDirLocked(ctx context.Context, source, target string, l *nameLock) error {
	l.release()
	dirs := f.newNameLock(source+"/", target+"/") // which no file has
	if err := dirs.acquire(ctx); err != nil {
		return err
	}
	defer dirs.release()
	if err := l.acquire(ctx); err != nil {
		return err
	}
	return f.renameDir(ctx, source, target, l)
}

// renameDir moves all keys that begin with source. It is all or nothing until the first source is deleted; after
// that, everything is at the new name, and what is left to delete is at the old one too.
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
		err = fs.ErrNotExist // since it was looked for
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

// undo removes the copies and the marker.
func (d *dirRename) undo(ctx context.Context) error {
	if d.copies[d.target] == "" {
		d.copies[d.target] = d.marker
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer cancel()
	_, err := d.deleteAllUnchanged(ctx, d.target, d.copies, d.written, d.newWatch)
	return err
}

// deleteSources deletes what was copied, and lets the copies catch up with what other sessions have changed and deleted meanwhile.
func (d *dirRename) deleteSources(ctx context.Context, objects []object) error {
	ctx, cancel := d.client.withCopyGrace(ctx) // all is copied: the rename is completed even if the caller goes
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
		is, err := d.reconcile(ctx, key)
		if err != nil {
			return err
		}
		if !is {
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

// deleteReservation deletes the marker that has reserved the new name, unless another session of this process has deleted it and made another.
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

// reconcile renames an object that another session has changed, or deletes the copy of one that a session of this process has deleted. It
// reports whether the object or its copy is left. A copy that another session has replaced stays, and so does its source. If another process
// has removed the source, the copy stays: the process may have renamed the source to the copy's name.
func (d *dirRename) reconcile(ctx context.Context, key string) (there bool, err error) {
	to := d.target + strings.TrimPrefix(key, d.source)
	l := d.newNameLock(key, to)
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer l.release()
	is, err := d.head(ctx, key)
	there = !errors.Is(err, fs.ErrNotExist)
	switch {
	case there && err != nil:
		return true, err
	case d.newWatch.sawWrite(d.bucketKey(to)) || there && d.exceedsCopyLimit(is.size):
		d.log.WarnContext(ctx, "an object that was written while its directory was renamed is kept", "key", key)
		return there, nil
	case !there && !d.oldWatch.sawWrite(d.bucketKey(key)):
		d.log.WarnContext(ctx, "another process has removed an object while its directory was renamed, its copy is kept", "key", key)
		return true, nil
	case !there:
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

// reserve puts the marker of a directory that is not there, so that of two renames to one name, or a rename and a MKD,
// one is fs.ErrExist: their copies could not be told apart by the one that fails and removes its own. It returns the
// marker's ETag.
func (f *FS) reserve(ctx context.Context, dir string) (etag string, err error) {
	ctx, cancel, err := changeContext(ctx)
	if err != nil {
		return "", err
	}
	defer cancel()
	own := markerType + "; reserved=" + strings.ToLower(rand.Text()) // which tells the marker from another session's
	etag, err = f.putMarkerIfAbsent(ctx, dir, own)
	switch {
	case precondition(err):
		return "", fmt.Errorf("%w: %w", fs.ErrExist, err)
	case err != nil:
		return "", err
	}
	objects, err := f.firstKeys(ctx, dir, 2)
	if err == nil && slices.ContainsFunc(objects, func(o object) bool { return o.key != dir }) {
		err = fs.ErrExist // since it was looked for
	}
	if err != nil {
		f.deleteReservationMarker(ctx, dir, etag)
	}
	return etag, err
}

// deleteReservationMarker deletes the marker that has reserved a name, if there is one, and if it is not another process's by now.
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
	if err != nil && !precondition(err) {
		f.log.WarnContext(ctx, "a directory keeps the marker that reserved its name", "key", dir, "err", err)
	}
}

// copyAll copies the objects of a directory, those in one request several at a time, and then each of those in parts,
// which are several themselves. It notes what there may be of copies, with an error too.
//
// A copy replaces nothing that was put there meanwhile, where the service compares that as it copies.
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

// copyOne copies an object of the directory, under the locks of its names.
func (d *dirRename) copyOne(ctx context.Context, o object) error {
	to := d.target + strings.TrimPrefix(o.key, d.source)
	only := ifAbsent
	if to == d.target {
		only = condition{match: quoted(d.marker)} // ours, see reserve
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
	d.oldWatch.forget(d.bucketKey(o.key)) // the copy is of the current object; a copy in parts takes the lock again later
	made, err := d.copy(ctx, o, to, only, l)
	if made.etag != "" {
		d.mu.Lock()
		d.copies[to], d.written[to] = made.etag, made.modified
		d.mu.Unlock()
	}
	if changed(err) && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %q: %v", errBusy, o.key, err)
	}
	return err
}

// listForRename lists what a directory has, if it may be renamed.
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

// forEach calls do for all items, several at a time, and after the first error for no more. What is under way then is
// waited for: of a request that was broken off nobody knows what it did.
func forEach[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	handing, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	next := make(chan T)
	var wg sync.WaitGroup
	for range min(maxConcurrentCopies, len(items)) {
		wg.Go(func() {
			for item := range next {
				if err := doRecovered(ctx, item, do); err != nil {
					fail(err)
				}
			}
		})
	}
	for _, item := range items {
		select {
		case next <- item:
			continue
		case <-handing.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	return context.Cause(handing)
}

func doRecovered[T any](ctx context.Context, item T, do func(context.Context, T) error) (err error) {
	defer recoverPanic(&err)
	return do(ctx, item)
}
