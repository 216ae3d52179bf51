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
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// How S3 is asked to rename a directory: so many copies at a time, and so many keys in one request to delete.
const (
	copiesAtOnce = 16
	deleteAtOnce = 1000
)

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
	var (
		mu     sync.Mutex
		copies = make(versions)
	)
	err = each(ctx, objects, func(ctx context.Context, o object) error {
		to := target + strings.TrimPrefix(o.key, source)
		etag, err := f.copy(ctx, o, to)
		if s := status(err); s < 400 || s >= 500 { // else it was refused, and what is there is not ours
			mu.Lock()
			defer mu.Unlock()
			copies[to] = etag
		}
		return err
	})
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		return errors.Join(err, f.deleteUnchanged(ctx, target, copies))
	}
	sources := make(versions)
	for _, o := range objects {
		sources[o.key] = o.etag
	}
	return f.deleteUnchanged(ctx, source, sources)
}

// versions are the ETags of objects, by key.
type versions map[string]string

// deleteUnchanged deletes those of the objects that still are what they were. Others have been written meanwhile, and
// stay: what S3 has confirmed to a client is not ours to delete.
func (f *FS) deleteUnchanged(ctx context.Context, dir string, then versions) error {
	var keys []string
	for page, err := range f.pages(ctx, dir, "") {
		if err != nil {
			return err
		}
		for _, o := range page.objects {
			switch etag, ok := then[o.key]; {
			case ok && etag == o.etag:
				keys = append(keys, o.key)
			case ok:
				f.log.Warn("an object that was written while its directory was renamed is kept", "key", o.key)
			}
		}
	}
	return f.deleteAll(ctx, keys)
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
		if i := slices.IndexFunc(page.objects, func(o object) bool { return o.size > maxCopy }); i >= 0 {
			return nil, fmt.Errorf("%q has %d bytes: %w", page.objects[i].key, page.objects[i].size, syscall.EFBIG)
		}
	}
	return objects, nil
}

// each calls do for all objects, several at a time, and after the first error for no more. What is under way then is
// waited for: of a request that was broken off nobody knows what it did.
func each(ctx context.Context, objects []object, do func(context.Context, object) error) error {
	handing, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	next := make(chan object)
	var wg sync.WaitGroup
	for range min(copiesAtOnce, len(objects)) {
		wg.Go(func() {
			for o := range next {
				if err := safely(ctx, o, do); err != nil {
					fail(err)
				}
			}
		})
	}
	for _, o := range objects {
		select {
		case next <- o:
			continue
		case <-handing.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	return context.Cause(handing)
}

func safely(ctx context.Context, o object, do func(context.Context, object) error) (err error) {
	defer recovered(&err)
	return do(ctx, o)
}

// deleteAll deletes objects, many in one request.
func (f *FS) deleteAll(ctx context.Context, keys []string) error {
	for batch := range slices.Chunk(keys, deleteAtOnce) {
		ids := make([]types.ObjectIdentifier, len(batch))
		for i := range batch {
			ids[i].Key = &batch[i]
		}
		out, err := f.api.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &f.bucket,
			Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
		}, f.client.deleteChecksum)
		if err != nil {
			return err
		}
		for _, e := range out.Errors {
			return fmt.Errorf("deleting %q: %s: %s", aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
		}
	}
	return nil
}
