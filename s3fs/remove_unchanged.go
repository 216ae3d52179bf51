package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// After a copy, the source is deleted only if its ETag is still the copied one: a client may have stored another content
// under its name meanwhile. S3 compares the ETag as it deletes. Where a service does not, it is compared just before.

// maxDeleteKeys is how many keys are in one request to delete.
const maxDeleteKeys = 1000

// etagsByKey are the ETags of objects, by key.
type etagsByKey map[string]string

// A copyResult is what S3 has told of a copy: two objects of one ETag are told apart by LastModified.
type copyResult struct {
	etag     string
	modified time.Time // zero = unknown
	version  string    // ID, "" = unknown
}

// sameTime reports whether two values of LastModified can be one time: headers tell seconds, most bodies milliseconds.
func sameTime(a, b time.Time) bool {
	precision := time.Millisecond
	if a.Nanosecond() == 0 || b.Nanosecond() == 0 {
		precision = time.Second
	}
	return a.IsZero() || b.IsZero() || a.Truncate(precision).Equal(b.Truncate(precision))
}

// errRewritten says that an object has the same content as before, and was written since, as MFMT does.
var errRewritten = fmt.Errorf("%w: another session has written the same content, or other metadata", errConditionFailed)

// isRewritten reports whether an object was written between two answers to HEAD that have the same ETag.
func isRewritten(was, now *s3.HeadObjectOutput) bool {
	switch {
	case was == nil:
		return false
	case was.LastModified != nil && now.LastModified != nil && !was.LastModified.Equal(*now.LastModified):
		return true
	}
	return aws.ToString(was.VersionId) != aws.ToString(now.VersionId) || !maps.Equal(was.Metadata, now.Metadata)
}

// deleteUnchanged deletes an object if its ETag is still etag. It is errRewritten if HEAD has said something else of it before, nil = it was
// not asked for. An object that is gone already is no error.
func (f *FS) deleteUnchanged(ctx context.Context, key, etag string, was *s3.HeadObjectOutput) error {
	look := func() (string, error) {
		now, err := f.head(ctx, key)
		switch {
		case err != nil:
			return "", err
		case now.etag == etag && isRewritten(was, now.head):
			return "", errRewritten
		}
		return now.etag, nil
	}
	now, err := look() // as some services ignore the condition
	if err == nil && now != etag {
		err = errConditionFailed
	}
	if err == nil {
		_, err = f.deleteIfMatch(ctx, key, etag, look)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errRewritten):
		return err
	case precondition(err):
		f.log.WarnContext(ctx, "an object that was written while it was renamed is kept", "key", key)
		return nil
	}
	return err
}

// deleteIfMatch deletes an object on the condition that its ETag is still etag, which the caller has just been told; "" = no condition. A
// service that does not know the condition is asked without it. So is one that answers 412 although look tells the same ETag: see wronglyRefused.
// If look tells another one, it is returned as now, with the error.
func (f *FS) deleteIfMatch(ctx context.Context, key, etag string, look func() (string, error)) (now string, err error) {
	if etag == "" {
		return "", f.delete(ctx, key, etag, nil)
	}
	var unseen error // of look
	refuses := func(err error) bool {
		if status(err) != http.StatusPreconditionFailed {
			return isUnsupported(err)
		}
		now, unseen = look()
		return unseen == nil && now == etag
	}
	only := condition{match: quoted(etag)}
	err = f.client.features.try(conditionOn(deleteObject, only), "", refuses, func(with bool) error {
		if !with {
			return f.delete(ctx, key, etag, nil)
		}
		return retryConflicts(ctx, func() error { return f.delete(ctx, key, etag, only.match) })
	})
	if unseen != nil {
		err = fmt.Errorf("%w: %w", err, unseen)
	}
	return now, err
}

// deleteTries is how often the deletion of a name is tried whose object another session replaces.
const deleteTries = 2

// deleteCurrent deletes an object whose ETag look has just told, whatever it is. It deletes nothing that look has not told: if another process
// has replaced the object, it looks again, or is errBusy after the last try. An object that is gone already is no error.
func (f *FS) deleteCurrent(ctx context.Context, key, etag string, tries int, look func() (string, error)) error {
	for try := 1; ; try++ {
		now, err := f.deleteIfMatch(ctx, key, etag, look)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case status(err) != http.StatusPreconditionFailed || now == "":
			return err
		case try == tries:
			return fmt.Errorf("%w: %w", errBusy, err)
		}
		etag = now
	}
}

// deleteAllUnchanged deletes those of the objects in a directory that still are what they were. The listing tells of changes by other
// processes, the watch of those by this one, which cannot change them during the deletion. It returns the keys that are not there any more,
// that this process has changed, or that have the same ETag and another LastModified than written has.
func (f *FS) deleteAllUnchanged(
	ctx context.Context, dir string, then etagsByKey, written map[string]time.Time, w *nameWatch,
) (late []string, err error) {
	there := make(map[string]bool)
	for page, err := range f.pages(ctx, dir, "") {
		if err != nil {
			return nil, err
		}
		var keys []string
		for _, o := range page.objects {
			there[o.key] = true
			switch etag, ok := then[o.key]; {
			case ok && etag == o.etag && !sameTime(written[o.key], o.mtime):
				late = append(late, o.key)
			case ok && (etag == o.etag || w.sawWrite(f.bucketKey(o.key))):
				keys = append(keys, o.key)
			case ok:
				f.log.WarnContext(ctx, "an object that was written while its directory was renamed is kept", "key", o.key)
			}
		}
		changed, err := f.deleteUnderLocks(ctx, keys, then, w)
		if err != nil {
			return nil, err
		}
		late = append(late, changed...)
	}
	for key := range then {
		if !there[key] {
			late = append(late, key)
		}
	}
	return late, nil
}

// deleteUnderLocks deletes objects under the locks of their names: those whose locks are free together, the others one by one. It returns
// those that this process has changed.
func (f *FS) deleteUnderLocks(ctx context.Context, keys []string, then etagsByKey, w *nameWatch) (changed []string, err error) {
	var together, singly []string
	var locks []*nameLock
	release := func() {
		for _, l := range locks {
			l.release()
		}
		locks = nil
	}
	defer release()
	for _, key := range keys {
		l := f.newNameLock(key)
		if !l.tryAcquire() {
			singly = append(singly, key)
			continue
		}
		locks = append(locks, l)
		if w.sawWrite(f.bucketKey(key)) {
			changed = append(changed, key)
		} else {
			together = append(together, key)
		}
	}
	if err := f.deleteAll(ctx, together, then); err != nil {
		return nil, err
	}
	release()
	for _, key := range singly {
		deleted, err := f.deleteUnderLock(ctx, key, then[key], w)
		if err != nil {
			return nil, err
		}
		if !deleted {
			changed = append(changed, key)
		}
	}
	return changed, nil
}

// deleteUnderLock deletes an object, under the lock of its name, unless this process has changed it.
func (f *FS) deleteUnderLock(ctx context.Context, key, etag string, w *nameWatch) (deleted bool, err error) {
	l := f.newNameLock(key)
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer l.release()
	if w.sawWrite(f.bucketKey(key)) {
		return false, nil
	}
	return true, f.deleteUnchanged(ctx, key, etag, nil)
}

// deleteAll deletes objects, many in one request, that have the ETags in then, as far as these are there. Keys that XML
// cannot hold, and those that S3 could not delete for the moment, are deleted one by one.
func (f *FS) deleteAll(ctx context.Context, keys []string, then etagsByKey) error {
	var singly, together []string
	for _, key := range keys {
		if inXML(key) {
			together = append(together, key)
		} else {
			singly = append(singly, key)
		}
	}
	refuses := func(err error) bool { return isUnsupported(err) || status(err) == http.StatusMethodNotAllowed }
	for batch := range slices.Chunk(together, maxDeleteKeys) {
		err := f.client.features.try(manyDeletions, "", refuses, func(with bool) error {
			if !with {
				return f.deleteOneByOne(ctx, batch, then)
			}
			left, err := f.deleteBatch(ctx, batch, then)
			singly = append(singly, left...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return f.deleteOneByOne(s3http.WithBrief(ctx), singly, then)
}

// deleteOneByOne deletes objects one by one, those that have ETags in then as far as they still have them.
func (f *FS) deleteOneByOne(ctx context.Context, keys []string, then etagsByKey) error {
	return forEach(ctx, keys, func(ctx context.Context, key string) error {
		if etag := then[key]; etag != "" {
			return f.deleteUnchanged(ctx, key, etag, nil)
		}
		if err := f.delete(ctx, key, "", nil); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// deleteBatch deletes objects in one request, and returns the keys of those that S3 has not deleted, but may delete if
// it is asked for one at a time: with a condition that DeleteObjects does not take, or later, as after SlowDown.
func (f *FS) deleteBatch(ctx context.Context, keys []string, then etagsByKey) (left []string, err error) {
	var errs []types.Error
	if then == nil {
		errs, err = f.sendDeleteObjects(ctx, keys, nil)
	} else {
		feature := conditionOn(deleteObjects, condition{})
		err = f.client.features.try(feature, "", isUnsupported, func(with bool) (err error) {
			only := then
			if !with {
				only = nil // the keys have been listed with these ETags just before
			}
			errs, err = f.sendDeleteObjects(ctx, keys, only)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	for _, e := range errs {
		key, code := aws.ToString(e.Key), aws.ToString(e.Code)
		switch {
		case code == "NoSuchKey", code == "NoSuchVersion": // so AWS answers for a condition on what is gone
		case errorsByCode[code] != nil && !slices.Contains(unsupportedCodes, code):
			return nil, fmt.Errorf("deleting %q: %w: %s: %s", key, errorsByCode[code], code, aws.ToString(e.Message))
		default:
			left = append(left, key)
		}
	}
	return left, nil
}

// sendDeleteObjects deletes objects in one request, and returns what S3 says of those that it has not deleted. Keys of which the answer says
// nothing are not confirmed: an empty answer may be a proxy's. So are all of them if S3 may have obeyed in spite of an error.
func (f *FS) sendDeleteObjects(ctx context.Context, keys []string, then etagsByKey) ([]types.Error, error) {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i := range keys {
		ids[i].Key = &keys[i]
		if etag := then[keys[i]]; etag != "" {
			ids[i].ETag = quoted(etag)
		}
	}
	var t attemptCount
	out, err := f.api.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &f.bucket,
		Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(false)},
	}, f.sendContentMD5, countAttempts(&t))
	switch {
	case unclear(err, t):
		f.log.WarnContext(ctx, "S3 did not confirm deletions, which are made one by one", "keys", len(keys), "err", err)
		out = new(s3.DeleteObjectsOutput)
	case err != nil:
		return nil, err
	}
	told := make(map[string]bool)
	for _, d := range out.Deleted {
		told[aws.ToString(d.Key)] = true
	}
	for _, e := range out.Errors {
		told[aws.ToString(e.Key)] = true
	}
	for i, key := range keys {
		if !told[key] {
			out.Errors = append(out.Errors, types.Error{Key: &keys[i], Code: aws.String("Unconfirmed")})
		}
	}
	return out.Errors, nil
}

// inXML reports whether XML 1.0 can hold a key, escaped or not.
func inXML(key string) bool {
	return utf8.ValidString(key) && !strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}
