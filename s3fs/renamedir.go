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
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	objects, err := f.below(ctx, source)
	if err != nil {
		return err
	}
	var (
		mu     sync.Mutex
		copies []string
	)
	err = each(ctx, objects, func(ctx context.Context, o object) error {
		to := target + strings.TrimPrefix(o.key, source)
		err := f.copy(ctx, o, to)
		mu.Lock()
		defer mu.Unlock()
		copies = append(copies, to) // even one that seems to have failed may be there
		return err
	})
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		return errors.Join(err, f.deleteAll(ctx, copies))
	}
	sources := make([]string, len(objects))
	for i, o := range objects {
		sources[i] = o.key
	}
	return f.deleteAll(ctx, sources)
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

// each calls do for all objects, several at a time, and after the first error for no more.
func each(ctx context.Context, objects []object, do func(context.Context, object) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	next := make(chan object)
	var wg sync.WaitGroup
	for range min(copiesAtOnce, len(objects)) {
		wg.Go(func() {
			for o := range next {
				if err := do(ctx, o); err != nil {
					fail(err)
				}
			}
		})
	}
	for _, o := range objects {
		select {
		case next <- o:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
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
