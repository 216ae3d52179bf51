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

// After a copy, the source is deleted only if its ETag is still the copied one: a client may have stored other content
// under its name meanwhile. S3 compares the ETag as it deletes. If a service does not, it is compared just before.

// maxDeleteKeys is how many keys a DeleteObjects request can have.
const maxDeleteKeys = 1000

// etagsByKey are the ETags of objects, by key.
type etagsByKey map[string]string

// A copyResult describes a copy as S3 has answered. LastModified distinguishes two objects with one ETag.
type copyResult struct {
	etag     string
	modified time.Time // zero = unknown
	version  string    // ID, "" = unknown
}

// sameTime reports whether two values of LastModified can be the same time: headers have seconds, most bodies
// milliseconds.
func sameTime(a, b time.Time) bool {
	precision := time.Millisecond
	if a.Nanosecond() == 0 || b.Nanosecond() == 0 {
		precision = time.Second
	}
	return a.IsZero() || b.IsZero() || a.Truncate(precision).Equal(b.Truncate(precision))
}

// errRewritten says that an object has the same content as before but was written since, as MFMT does.
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

// deleteUnchanged deletes an object if its ETag is still etag. If it was written since, see isRewritten, the error is
// errRewritten; was is an earlier HEAD of it, nil = unknown. An object that is gone already is no error.
func (f *FS) deleteUnchanged(ctx context.Context, key, etag string, was *s3.HeadObjectOutput) error {
	currentETag := func() (string, error) {
		now, err := f.head(ctx, key)
		switch {
		case err != nil:
			return "", err
		case now.etag == etag && isRewritten(was, now.head):
			return "", errRewritten
		}
		return now.etag, nil
	}
	now, err := currentETag() // because some services ignore the condition
	if err == nil && now != etag {
		err = errConditionFailed
	}
	if err == nil {
		_, err = f.deleteIfMatch(ctx, key, etag, currentETag)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errRewritten):
		return err
	case isConditionFailed(err):
		f.log.WarnContext(ctx, "object written during its rename, source not deleted", "key", key)
		return nil
	}
	return err
}

// deleteIfMatch deletes an object on the condition that its ETag is etag; "" = no condition. If the service does not
// support the condition, or answers 412 although currentETag returns etag, it deletes without the condition: see
// misjudged. If currentETag returns another ETag, that is returned as now, with the error.
func (f *FS) deleteIfMatch(ctx context.Context, key, etag string, currentETag func() (string, error)) (now string, err error) {
	if etag == "" {
		return "", f.delete(ctx, key, etag, nil)
	}
	var lookupErr error
	refuses := func(err error) bool {
		if status(err) != http.StatusPreconditionFailed {
			return isUnsupported(err)
		}
		now, lookupErr = currentETag()
		return lookupErr == nil && now == etag
	}
	cond := condition{match: quoted(etag)}
	err = f.client.features.try(conditionOn(deleteObject, cond), "", refuses, func(with bool) error {
		if !with {
			return f.delete(ctx, key, etag, nil)
		}
		return retryConflicts(ctx, func() error { return f.delete(ctx, key, etag, cond.match) })
	})
	if lookupErr != nil {
		err = fmt.Errorf("%w: %w", err, lookupErr)
	}
	return now, err
}

// deleteTries is how often a deletion is tried while another session replaces the object.
const deleteTries = 2

// deleteCurrent deletes an object with any content, but only in a version with a known ETag: etag at first,
// and then that of currentETag, if another process has replaced the object. After the last try, the error is errBusy.
// An object that is gone already is no error.
func (f *FS) deleteCurrent(ctx context.Context, key, etag string, tries int, currentETag func() (string, error)) error {
	for try := 1; ; try++ {
		now, err := f.deleteIfMatch(ctx, key, etag, currentETag)
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

// deleteAllUnchanged deletes the objects of a directory that are unchanged since they had these etags. The listing
// shows changes by other processes, and w those by this process, which the locks exclude during the deletion. It
// returns as late the keys that are gone, that this process has changed, or that have the same ETag but another
// LastModified than in written.
func (f *FS) deleteAllUnchanged(
	ctx context.Context, dir string, etags etagsByKey, written map[string]time.Time, w *nameWatch,
) (late []string, err error) {
	listed := make(map[string]bool)
	for page, err := range f.pages(ctx, dir, "") {
		if err != nil {
			return nil, err
		}
		var keys []string
		for _, o := range page.objects {
			listed[o.key] = true
			switch etag, ok := etags[o.key]; {
			case ok && etag == o.etag && !sameTime(written[o.key], o.mtime):
				late = append(late, o.key)
			case ok && (etag == o.etag || w.sawWrite(f.bucketKey(o.key))):
				keys = append(keys, o.key)
			case ok:
				f.log.WarnContext(ctx, "object written during the rename of its directory, source not deleted", "key", o.key)
			}
		}
		changed, err := f.deleteUnderLocks(ctx, keys, etags, w)
		if err != nil {
			return nil, err
		}
		late = append(late, changed...)
	}
	for key := range etags {
		if !listed[key] {
			late = append(late, key)
		}
	}
	return late, nil
}

// deleteUnderLocks deletes objects under the locks of their names: those with free locks in one request, the others
// one by one. It returns the keys that this process has changed.
func (f *FS) deleteUnderLocks(ctx context.Context, keys []string, etags etagsByKey, w *nameWatch) (changed []string, err error) {
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
	if err := f.deleteAll(ctx, together, etags); err != nil {
		return nil, err
	}
	release()
	for _, key := range singly {
		deleted, err := f.deleteUnderLock(ctx, key, etags[key], w)
		if err != nil {
			return nil, err
		}
		if !deleted {
			changed = append(changed, key)
		}
	}
	return changed, nil
}

// deleteUnderLock deletes an object under the lock of its name, unless this process has changed it.
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

// deleteAll deletes objects that have these etags, if known, many in one request. Keys that XML cannot represent, and
// those that S3 could not delete at the moment, are deleted one by one.
func (f *FS) deleteAll(ctx context.Context, keys []string, etags etagsByKey) error {
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
				return f.deleteOneByOne(ctx, batch, etags)
			}
			left, err := f.deleteBatch(ctx, batch, etags)
			singly = append(singly, left...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return f.deleteOneByOne(s3http.WithBrief(ctx), singly, etags)
}

// deleteOneByOne deletes objects one by one. Those with an ETag in etags are deleted only if it is unchanged.
func (f *FS) deleteOneByOne(ctx context.Context, keys []string, etags etagsByKey) error {
	return forEach(ctx, keys, func(ctx context.Context, key string) error {
		if etag := etags[key]; etag != "" {
			return f.deleteUnchanged(ctx, key, etag, nil)
		}
		if err := f.delete(ctx, key, "", nil); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// deleteBatch deletes objects in one request. It returns the keys that S3 has not deleted but may delete one by one:
// with a condition that DeleteObjects does not support, or later, as after SlowDown.
func (f *FS) deleteBatch(ctx context.Context, keys []string, etags etagsByKey) (left []string, err error) {
	var errs []types.Error
	if etags == nil {
		errs, err = f.sendDeleteObjects(ctx, keys, nil)
	} else {
		feature := conditionOn(deleteObjects, condition{})
		err = f.client.features.try(feature, "", isUnsupported, func(with bool) (err error) {
			match := etags
			if !with {
				match = nil // the keys were listed with these ETags just before
			}
			errs, err = f.sendDeleteObjects(ctx, keys, match)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	for _, e := range errs {
		key, code := aws.ToString(e.Key), aws.ToString(e.Code)
		switch {
		case code == "NoSuchKey", code == "NoSuchVersion": // AWS's answer to a condition on an object that is gone
		case errorsByCode[code] != nil && !slices.Contains(unsupportedCodes, code):
			return nil, fmt.Errorf("deleting %q: %w: %s: %s", key, errorsByCode[code], code, aws.ToString(e.Message))
		default:
			left = append(left, key)
		}
	}
	return left, nil
}

// sendDeleteObjects deletes objects in one request, and returns an error for each that S3 has not deleted. Keys
// missing in the answer are unconfirmed, because an empty answer may be a proxy's. If S3 may have executed the
// request despite an error, all keys are unconfirmed.
func (f *FS) sendDeleteObjects(ctx context.Context, keys []string, etags etagsByKey) ([]types.Error, error) {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i := range keys {
		ids[i].Key = &keys[i]
		if etag := etags[keys[i]]; etag != "" {
			ids[i].ETag = quoted(etag)
		}
	}
	var t attemptCount
	out, err := f.api.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &f.bucket,
		Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(false)},
	}, f.sendContentMD5, countAttempts(&t))
	switch {
	case isAmbiguous(err, t):
		f.log.WarnContext(ctx, "deletions not confirmed by S3, retrying one by one", "keys", len(keys), "err", err)
		out = new(s3.DeleteObjectsOutput)
	case err != nil:
		return nil, err
	}
	answered := make(map[string]bool)
	for _, d := range out.Deleted {
		answered[aws.ToString(d.Key)] = true
	}
	for _, e := range out.Errors {
		answered[aws.ToString(e.Key)] = true
	}
	for i, key := range keys {
		if !answered[key] {
			out.Errors = append(out.Errors, types.Error{Key: &keys[i], Code: aws.String("Unconfirmed")})
		}
	}
	return out.Errors, nil
}

// inXML reports whether XML 1.0 can represent a key, escaped or not.
func inXML(key string) bool {
	return utf8.ValidString(key) && !strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}
