package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// copiesAtOnce is how many objects, or parts of one, S3 copies at a time.
const copiesAtOnce = 16

// renameDir moves all keys that begin with source. It is all or nothing until the first source is deleted; after
// that, everything is at the new name, and what is left to delete is at the old one too.
func (f *FS) renameDir(ctx context.Context, source, target string) error {
	if _, err := f.head(ctx, strings.TrimSuffix(target, "/")); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	objects, err := f.below(ctx, source)
	if err != nil {
		return err
	}
	marker, err := f.reserve(ctx, target)
	if err != nil {
		return err
	}
	copies, err := f.copyAll(ctx, objects, source, target)
	if err != nil {
		if copies[target] == "" {
			copies[target] = marker
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		return errors.Join(err, f.deleteAllUnchanged(ctx, target, copies))
	}
	for key := range copies {
		f.endLeft(ctx, key, "")
	}
	sources := make(versions)
	for _, o := range objects {
		sources[o.key] = o.etag
	}
	if sources[source] == "" {
		f.release(ctx, target, marker)
	}
	return f.deleteAllUnchanged(ctx, source, sources)
}

// reserve puts the marker of a directory that is not there, so that of two renames to one name, or a rename and a MKD,
// one is fs.ErrExist: their copies could not be told apart by the one that fails and removes its own. It returns the
// marker's ETag; "" where the service has no conditions, and nothing is reserved.
func (f *FS) reserve(ctx context.Context, dir string) (etag string, err error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	ctx, cancel := outlast(ctx, cleanup)
	defer cancel()
	etag, err = f.mark(ctx, dir, aws.String("*"))
	switch {
	case precondition(err):
		return "", fmt.Errorf("%w: %w", fs.ErrExist, err)
	case err != nil && !errors.Is(err, errors.ErrUnsupported):
		return "", err
	}
	p, err := f.page(ctx, dir, "", "", 2)
	if err == nil && slices.ContainsFunc(p.objects, func(o object) bool { return o.key != dir }) {
		err = fs.ErrExist // since it was looked for
	}
	if err != nil {
		f.release(ctx, dir, etag)
	}
	return etag, err
}

// release deletes the marker that has reserved a name, if there is one.
func (f *FS) release(ctx context.Context, dir, etag string) {
	if etag == "" {
		return
	}
	if err := f.delete(ctx, dir, nil); err != nil {
		f.log.Warn("a directory keeps the marker that reserved its name", "key", dir, "err", err)
	}
}

// copyAll copies the objects of a directory, those in one request several at a time, and then each of those in parts,
// which are several themselves. With an error, too, it returns what there may be of copies.
//
// A copy in parts replaces nothing that was put there meanwhile; CopyObject knows no such condition, and S3 ignores it.
func (f *FS) copyAll(ctx context.Context, objects []object, source, target string) (versions, error) {
	var (
		mu           sync.Mutex
		copies       = make(versions)
		small, large []object
	)
	one := func(ctx context.Context, o object) error {
		to := target + strings.TrimPrefix(o.key, source)
		etag, err := f.copy(ctx, o, to, condition{noneMatch: aws.String("*")})
		if etag != "" {
			mu.Lock()
			defer mu.Unlock()
			copies[to] = etag
		}
		return err
	}
	for _, o := range objects {
		if f.inParts(o.size) {
			large = append(large, o)
		} else {
			small = append(small, o)
		}
	}
	err := each(ctx, small, one)
	for _, o := range large {
		if err == nil {
			err = safely(ctx, o, one)
		}
	}
	return copies, err
}

// below lists what a directory has, if it may be renamed.
func (f *FS) below(ctx context.Context, dir string) (objects []object, err error) {
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

// each calls do for all items, several at a time, and after the first error for no more. What is under way then is
// waited for: of a request that was broken off nobody knows what it did.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	handing, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	next := make(chan T)
	var wg sync.WaitGroup
	for range min(copiesAtOnce, len(items)) {
		wg.Go(func() {
			for item := range next {
				if err := safely(ctx, item, do); err != nil {
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

func safely[T any](ctx context.Context, item T, do func(context.Context, T) error) (err error) {
	defer recovered(&err)
	return do(ctx, item)
}
