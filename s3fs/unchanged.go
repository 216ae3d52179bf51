package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// What is deleted because its content is elsewhere must be what it was when it was copied: what S3 has confirmed to a client
// meanwhile is not ours to delete. S3 looks at that as it deletes; a service that does not is asked before, which leaves a moment
// for a change.

// deleteAtOnce is how many keys are in one request to delete.
const deleteAtOnce = 1000

// The codes of refusals that are about a condition: it is not met, or the service knows none.
var (
	notMet    = []string{"PreconditionFailed", "ConditionalRequestConflict"}
	noneKnown = []string{"NotImplemented", "InvalidArgument", "InvalidRequest", "MalformedXML"}
)

// unconditional reports whether S3 refused a request because of its condition, whatever is there.
func unconditional(err error) bool {
	return status(err) == http.StatusNotImplemented || slices.Contains(noneKnown, errorCode(err))
}

// versions are the ETags of objects, by key.
type versions map[string]string

// deleteUnchanged deletes an object if it still is what its ETag says.
func (f *FS) deleteUnchanged(ctx context.Context, key, etag string) error {
	now, err := f.head(ctx, key)
	if err == nil && now.etag == etag {
		err = f.delete(ctx, key, aws.String(`"`+etag+`"`))
		if unconditional(err) {
			return f.delete(ctx, key, nil)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case precondition(err), err == nil && now.etag != etag:
		f.log.Warn("an object that was written while it was renamed is kept", "key", key)
		return nil
	}
	return err
}

// deleteAllUnchanged deletes those of the objects in a directory that still are what they were.
func (f *FS) deleteAllUnchanged(ctx context.Context, dir string, then versions) error {
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
	return f.deleteAll(ctx, keys, then)
}

// deleteAll deletes objects, many in one request, that have the ETags in then, as far as these are there.
func (f *FS) deleteAll(ctx context.Context, keys []string, then versions) error {
	for batch := range slices.Chunk(keys, deleteAtOnce) {
		errs, err := f.deleteMany(ctx, batch, then)
		if then != nil && unconditional(err) {
			errs, err = f.deleteMany(ctx, batch, nil)
		}
		if err != nil {
			return err
		}
		var unsure []string
		for _, e := range errs {
			key, code := aws.ToString(e.Key), aws.ToString(e.Code)
			if then[key] == "" || !slices.Contains(slices.Concat(notMet, noneKnown), code) {
				return fmt.Errorf("deleting %q: %s: %s", key, code, aws.ToString(e.Message))
			}
			unsure = append(unsure, key)
		}
		if len(unsure) == 0 {
			continue
		}
		err = each(ctx, unsure, func(ctx context.Context, key string) error { return f.deleteUnchanged(ctx, key, then[key]) })
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteMany deletes objects in one request, and returns what S3 says of those that it has not deleted.
func (f *FS) deleteMany(ctx context.Context, keys []string, then versions) ([]types.Error, error) {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i := range keys {
		ids[i].Key = &keys[i]
		if etag := then[keys[i]]; etag != "" {
			ids[i].ETag = aws.String(`"` + etag + `"`)
		}
	}
	out, err := f.api.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &f.bucket,
		Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
	}, f.client.deleteChecksum)
	if err != nil {
		return nil, err
	}
	return out.Errors, nil
}
