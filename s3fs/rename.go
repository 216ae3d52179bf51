package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// Rename moves a file, or a directory with everything in it, by copying inside S3 and then deleting. Metadata, tags
// and storage class are kept. If replace is true, a file at the new name is replaced by a file. Otherwise it is
// fs.ErrExist, and so is a directory at the new name, or a file where a directory is to go. Moving a directory into
// itself is fs.ErrInvalid.
//
// Operations of one process on one name take turns; after Config.Timeout it is syscall.EBUSY. So is a file that
// changes during each copy. Of a directory, one object at a time is locked.
//
// A directory with more than Options.RenameMax keys is syscall.EFBIG, before anything is copied. Nothing is deleted
// before everything is copied; if copying fails, the copies are removed.
func (f *FS) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	stored, err := f.rename(ctx, from, to, replace)
	return stored, wrap("rename", from, err)
}

func (f *FS) rename(ctx context.Context, from, to string, replace bool) (stored proxy.Stored, err error) {
	source, err := f.dirPrefix(from)
	if err != nil {
		return stored, err
	}
	target, err := f.dirPrefix(to)
	if err != nil {
		return stored, err
	}
	if source == f.prefix || target == f.prefix {
		return stored, fs.ErrPermission // the root stays where it is
	}
	l := f.newNameLock(source, target)
	if err := l.acquire(ctx); err != nil {
		return stored, err
	}
	defer l.release()
	return f.renameLocked(ctx, source, target, replace, l)
}

// renameLocked renames the file or directory with the key source, with a slash at its end, under the lock of both
// names.
func (f *FS) renameLocked(ctx context.Context, source, target string, replace bool, l *nameLock) (stored proxy.Stored, err error) {
	asDir := async(func() (*info, error) { return f.statDir(ctx, target) })
	entry, err := f.statFileFirst(ctx, source)
	_, dirErr := asDir()
	switch {
	case err != nil || source == target:
		return stored, err
	case entry.dir && strings.HasPrefix(target, source):
		return stored, fs.ErrInvalid
	case dirErr == nil:
		return stored, fs.ErrExist
	case !errors.Is(dirErr, fs.ErrNotExist):
		return stored, dirErr
	case entry.dir:
		stored = f.storedAt(target)
		stored.From = source
		return stored, f.renameDirLocked(ctx, source, target, l)
	}
	source, target = strings.TrimSuffix(source, "/"), strings.TrimSuffix(target, "/")
	cond := condition{}
	if !replace {
		cond = ifAbsent
		if err := f.checkCondition(ctx, target, cond); isConditionFailed(err) { // as some services ignore the condition
			return stored, fmt.Errorf("%w: %w", fs.ErrExist, err)
		} else if err != nil {
			return stored, err
		}
	}
	return f.renameFile(ctx, entry, source, target, cond, l)
}

// renameTries is how often a file is copied while another session changes it.
const renameTries = 2

// renameFile copies a file, and deletes the source if it is unchanged. If the source was written since, it copies
// again.
func (f *FS) renameFile(ctx context.Context, entry *info, source, target string, cond condition, l *nameLock) (proxy.Stored, error) {
	stored := f.storedAt(target)
	stored.From = source
	made := false
	for try := 1; ; try++ {
		copied, err := f.copyFile(ctx, entry, source, target, cond, l)
		stored.Size, stored.ETag, stored.Version = entry.size, copied.etag, copied.version
		if !made && (err == nil || errors.Is(err, errSourceChanged)) {
			made = true
			var cancel context.CancelFunc
			ctx, cancel = f.client.withCopyGrace(ctx) // from the first copy on, the rename outlives its caller
			defer cancel()
			f.abortSuperseded(ctx, target, "")
			if cond != (condition{}) { // the first copy has taken the free name
				cond = condition{match: quoted(copied.etag)}
			}
		}
		if err == nil {
			err = f.checkCopyExists(ctx, source, target, entry, copied)
		}
		if err == nil {
			err = f.deleteSource(ctx, source, entry)
		}
		if !isObjectChanged(err) || errors.Is(err, fs.ErrExist) {
			return stored, err
		}
		if try == renameTries {
			return stored, fmt.Errorf("%w: %v", errBusy, err)
		}
		if err = l.acquire(ctx); err != nil {
			return stored, err
		}
		entry, err = f.head(ctx, source)
		if made && errors.Is(err, fs.ErrNotExist) {
			return stored, nil // another session has removed the source of the copy
		}
		if err != nil {
			return stored, err
		}
	}
}

// checkCopyExists checks that the copy still exists if its LastModified is in the same second as that of the source.
// Then LastModified of the source cannot show whether another process has renamed the copy back in that second. No
// check is needed after a recent write of the source by this process.
func (f *FS) checkCopyExists(ctx context.Context, source, target string, entry *info, copied copyResult) error {
	modified := aws.ToTime(entry.head.LastModified)
	if copied.modified.IsZero() || modified.IsZero() || !sameTime(modified.Truncate(time.Second), copied.modified) {
		return nil
	}
	if f.client.uploads.wroteRecently(f.bucketKey(source)) {
		return nil
	}
	_, err := f.head(ctx, target)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q was removed right after the copy", errBusy, target)
	}
	return err
}

// deleteSource deletes the source of a copy. It is errRewritten if the source has the copied content but was written
// since, as MFMT does.
func (f *FS) deleteSource(ctx context.Context, source string, entry *info) error {
	// An upload to the old name that was completed meanwhile is a new file, and stays.
	end := f.abortAfterDelete(ctx, source)
	err := f.deleteUnchanged(ctx, source, entry.etag, entry.head)
	end(err == nil)
	return err
}

// copyFile copies a file. Before a copy in parts is published, it checks that the file is unchanged: another session
// may have confirmed its deletion to a client meanwhile.
func (f *FS) copyFile(ctx context.Context, entry *info, source, target string, cond condition, l *nameLock) (copyResult, error) {
	o := object{key: source, size: entry.size, etag: entry.etag, class: entry.class, head: entry.head}
	l.check = func(ctx context.Context) error {
		now, err := f.head(ctx, source)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %q is gone", errConditionFailed, source)
		case err == nil && (now.etag != entry.etag || isRewritten(entry.head, now.head)):
			return fmt.Errorf("%w: %q was written meanwhile", errConditionFailed, source)
		}
		return err
	}
	made, err := f.copy(ctx, o, target, cond, l)
	l.check = nil
	return made, err
}

// copy copies an object within the bucket. It fails if the object has changed, or if cond does not hold for the
// target, which is fs.ErrExist if the name must be free. After an error it returns the ETag that the copy would have
// if it was made, "" if it was not. l is the lock of the names; a copy in parts releases it meanwhile.
func (f *FS) copy(ctx context.Context, o object, target string, cond condition, l *nameLock) (made copyResult, err error) {
	if f.exceedsCopyLimit(o.size) {
		as, err := f.copyCreateInput(ctx, o, target)
		if err != nil {
			return copyResult{}, err
		}
		etag, err := f.copyInParts(ctx, o, as, cond, l)
		return copyResult{etag: etag}, err
	}
	ctx, cancel, err := f.client.copyContext(ctx)
	if err != nil {
		return copyResult{}, err
	}
	defer cancel()
	in := f.copyInput(o, target)
	var t attemptCount
	made, err = f.sendCopy(ctx, in, o, cond, countAttempts(&t))
	switch {
	case refusesMarkerCopy(err) && o.size == 0 && strings.HasSuffix(o.key, "/") && strings.HasSuffix(target, "/"):
		etag, err := f.putMarker(ctx, target, condition{})
		return copyResult{etag: etag}, err
	case isAmbiguous(err, t) && f.wasCopied(ctx, o, target):
		f.log.WarnContext(ctx, "copy made, but not confirmed by S3", "key", target, "err", err)
		return copyResult{etag: o.etag}, nil
	case cond.noneMatch != nil && isConditionFailed(err) && f.checkCondition(ctx, target, cond) != nil: // otherwise the source has changed
		return copyResult{}, fmt.Errorf("%w: %w", fs.ErrExist, err)
	case errors.Is(err, errSourceChanged):
		return made, err
	case isRejected(err) && t.ambiguous == 0:
		return copyResult{}, err // S3 has made no copy
	case err != nil:
		return copyResult{etag: o.etag}, err
	}
	return made, nil
}

// copyInput returns a request to copy an object to target.
func (f *FS) copyInput(o object, target string) *s3.CopyObjectInput {
	in := &s3.CopyObjectInput{
		Bucket:       &f.bucket,
		Key:          &target,
		CopySource:   aws.String(copySource(f.bucket, o.key)),
		StorageClass: types.StorageClass(o.class),
	}
	if o.head != nil {
		like := createInputLike(o.head)
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = like.ServerSideEncryption, like.SSEKMSKeyId, like.BucketKeyEnabled
		in.WebsiteRedirectLocation = like.WebsiteRedirectLocation
		if like.ContentType = contentTypeOfCopy(o.head, o.key, target); like.ContentType != nil && checkMetadata(o.head) == nil {
			replaceMetadata(in, like)
		}
	}
	f.attributes.applyToCopy(in)
	return in
}

// sendCopy sends CopyObject, on the conditions that the source's ETag is unchanged and that cond holds. If the
// service does not support a part of the request, it is sent without that part.
func (f *FS) sendCopy(
	ctx context.Context, in *s3.CopyObjectInput, o object, cond condition, options ...func(*s3.Options),
) (made copyResult, err error) {
	err = f.conditionally(ctx, copyObject, *in.Key, cond, func(cond condition) error {
		in.IfMatch, in.IfNoneMatch = cond.match, cond.noneMatch
		return f.ifSourceUnchanged(ctx, copySourceMatch, o, *in.Key, func(match *string) error {
			in.CopySourceIfMatch = match
			return f.withStorageClass(in.StorageClass, func(class types.StorageClass) error {
				in.StorageClass = class
				out, err := f.api.CopyObject(s3http.WithSlow(ctx), in, options...)
				if err == nil {
					made = copyResult{unquote(out.CopyObjectResult.ETag), aws.ToTime(out.CopyObjectResult.LastModified), aws.ToString(out.VersionId)}
				}
				return err
			})
		})
	})
	return made, err
}

// refusesMarkerCopy reports whether a service cannot copy the marker of a directory, because it stores a directory of
// its own: versitygw and, with the second code, SeaweedFS.
func refusesMarkerCopy(err error) bool {
	return errorCode(err) == "DirectoryObjectContainsData" || errorCode(err) == "NoSuchKey"
}
