package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// Rename moves a file, or a directory with all below it, by copying inside S3 and then deleting. Metadata, tags and the
// storage class go along. A file at the new name is replaced by a file if replace is true; otherwise, or if there is a
// directory, or a file where a directory is to go, it is fs.ErrExist. A directory into itself is fs.ErrInvalid.
//
// Operations of one process on one name take turns: after Config.Timeout it is syscall.EBUSY, and so is a file that changes whenever it is to be
// copied. Of a directory, one object at a time is locked.
//
// A directory with more keys than Options.RenameMax is syscall.EFBIG, before anything is copied. Nothing is deleted
// unless everything was copied; if that fails, the copies are removed.
func (f *FS) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	made, err := f.rename(ctx, from, to, replace)
	return made, wrap("rename", from, err)
}

func (f *FS) rename(ctx context.Context, from, to string, replace bool) (made proxy.Stored, err error) {
	source, err := f.dirPrefix(from)
	if err != nil {
		return made, err
	}
	target, err := f.dirPrefix(to)
	if err != nil {
		return made, err
	}
	if source == f.prefix || target == f.prefix {
		return made, fs.ErrPermission // the root stays where it is
	}
	l := f.newNameLock(source, target)
	if err := l.acquire(ctx); err != nil {
		return made, err
	}
	defer l.release()
	return f.renameLocked(ctx, source, target, replace, l)
}

// renameLocked renames what has the key source, without the slash or with it, under the lock of both names.
func (f *FS) renameLocked(ctx context.Context, source, target string, replace bool, l *nameLock) (made proxy.Stored, err error) {
	asDir := async(func() (*info, error) { return f.statDir(ctx, target) })
	what, err := f.statFileFirst(ctx, source)
	_, dirErr := asDir()
	switch {
	case err != nil || source == target:
		return made, err
	case what.dir && strings.HasPrefix(target, source):
		return made, fs.ErrInvalid
	case dirErr == nil:
		return made, fs.ErrExist
	case !errors.Is(dirErr, fs.ErrNotExist):
		return made, dirErr
	case what.dir:
		made = f.storedAt(target)
		made.From = source
		return made, f.renameDirLocked(ctx, source, target, l)
	}
	source, target = strings.TrimSuffix(source, "/"), strings.TrimSuffix(target, "/")
	only := condition{}
	if !replace {
		only = ifAbsent
		if err := f.checkCondition(ctx, target, only); precondition(err) { // as some services ignore the condition
			return made, fmt.Errorf("%w: %w", fs.ErrExist, err)
		} else if err != nil {
			return made, err
		}
	}
	return f.renameFile(ctx, what, source, target, only, l)
}

// renameTries is how often a file is copied that another session changes.
const renameTries = 2

// renameFile copies a file, and deletes the source if it still is what was copied. If it was written since, the copy is made again.
func (f *FS) renameFile(ctx context.Context, what *info, source, target string, only condition, l *nameLock) (proxy.Stored, error) {
	done := f.storedAt(target)
	done.From = source
	made := false
	for try := 1; ; try++ {
		copied, err := f.copyFile(ctx, what, source, target, only, l)
		done.Size, done.ETag, done.Version = what.size, copied.etag, copied.version
		if !made && (err == nil || errors.Is(err, errSourceChanged)) {
			made = true
			var cancel context.CancelFunc
			ctx, cancel = f.client.withCopyGrace(ctx) // there is a copy: the rename is completed even if the caller goes
			defer cancel()
			f.abortSuperseded(ctx, target, "")
			if only != (condition{}) { // the name is not free any more: the copy has it
				only = condition{match: quoted(copied.etag)}
			}
		}
		if err == nil {
			err = f.checkCopyExists(ctx, source, target, what, copied)
		}
		if err == nil {
			err = f.deleteSource(ctx, source, what)
		}
		if !changed(err) || errors.Is(err, fs.ErrExist) {
			return done, err
		}
		if try == renameTries {
			return done, fmt.Errorf("%w: %v", errBusy, err)
		}
		if err = l.acquire(ctx); err != nil {
			return done, err
		}
		what, err = f.head(ctx, source)
		if made && errors.Is(err, fs.ErrNotExist) {
			return done, nil // another session has removed the source of the copy
		}
		if err != nil {
			return done, err
		}
	}
}

// checkCopyExists looks for a copy where LastModified of its source cannot show that another process has renamed the copy back, as it is of the
// same second as the copy. The process's own writes of that second need no look.
func (f *FS) checkCopyExists(ctx context.Context, source, target string, what *info, copied copyResult) error {
	modified := aws.ToTime(what.head.LastModified)
	if copied.modified.IsZero() || modified.IsZero() || !sameTime(modified.Truncate(time.Second), copied.modified) {
		return nil
	}
	if f.client.uploads.wroteRecently(f.bucketKey(source)) {
		return nil
	}
	_, err := f.head(ctx, target)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q was removed as soon as it was copied", errBusy, target)
	}
	return err
}

// deleteSource deletes a file that was copied as it was described. It returns errRewritten if only the metadata was changed since.
func (f *FS) deleteSource(ctx context.Context, source string, what *info) error {
	// An upload to the old name that was completed meanwhile is a new file there, and stays.
	end := f.abortAfterDelete(ctx, source)
	err := f.deleteUnchanged(ctx, source, what.etag, what.head)
	end(err == nil)
	return err
}

// copyFile copies a file as it was described. Before a copy in parts is published, it makes sure that the file is still there: who has deleted
// it meanwhile was told so.
func (f *FS) copyFile(ctx context.Context, what *info, source, target string, only condition, l *nameLock) (copyResult, error) {
	o := object{key: source, size: what.size, etag: what.etag, class: what.class, head: what.head}
	l.check = func(ctx context.Context) error {
		now, err := f.head(ctx, source)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %q is gone", errConditionFailed, source)
		case err == nil && (now.etag != what.etag || isRewritten(what.head, now.head)):
			return fmt.Errorf("%w: %q was written meanwhile", errConditionFailed, source)
		}
		return err
	}
	made, err := f.copy(ctx, o, target, only, l)
	l.check = nil
	return made, err
}

// copy copies an object within the bucket, unless it has changed since it was described, or the condition on the target
// does not hold, which is fs.ErrExist if the name was to be free. It returns the copy's version; after an error, the one that
// the copy may have, without an ETag if there is none. The lock is that of the names; a copy in parts releases it meanwhile.
func (f *FS) copy(ctx context.Context, o object, target string, only condition, l *nameLock) (made copyResult, err error) {
	if f.exceedsCopyLimit(o.size) {
		as, err := f.copyCreateInput(ctx, o, target)
		if err != nil {
			return copyResult{}, err
		}
		etag, err := f.copyInParts(ctx, o, as, only, l)
		return copyResult{etag: etag}, err
	}
	ctx, cancel, err := f.client.copyContext(ctx)
	if err != nil {
		return copyResult{}, err
	}
	defer cancel()
	in := f.copyInput(o, target)
	var t attemptCount
	made, err = f.sendCopy(ctx, in, o, only, countAttempts(&t))
	switch {
	case refusesMarkerCopy(err) && o.size == 0 && strings.HasSuffix(o.key, "/") && strings.HasSuffix(target, "/"):
		etag, err := f.putMarker(ctx, target, condition{})
		return copyResult{etag: etag}, err
	case unclear(err, t) && f.wasCopied(ctx, o, target):
		f.log.WarnContext(ctx, "S3 did not confirm a copy that it has made", "key", target, "err", err)
		return copyResult{etag: o.etag}, nil
	case only.noneMatch != nil && precondition(err) && f.checkCondition(ctx, target, only) != nil: // else it is the source that has changed
		return copyResult{}, fmt.Errorf("%w: %w", fs.ErrExist, err)
	case errors.Is(err, errSourceChanged):
		return made, err
	case declined(err) && t.ambiguous == 0:
		return copyResult{}, err // refused, and what is there is not ours
	case err != nil:
		return copyResult{etag: o.etag}, err
	}
	return made, nil
}

// copyInput is the request that makes target a copy of an object.
func (f *FS) copyInput(o object, target string) *s3.CopyObjectInput {
	in := &s3.CopyObjectInput{
		Bucket:       &f.bucket,
		Key:          &target,
		CopySource:   aws.String(copySource(f.bucket, o.key)),
		StorageClass: types.StorageClass(o.class),
	}
	if o.head != nil {
		as := createInputLike(o.head)
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = as.ServerSideEncryption, as.SSEKMSKeyId, as.BucketKeyEnabled
		in.WebsiteRedirectLocation = as.WebsiteRedirectLocation
		if as.ContentType = contentTypeOfCopy(o.head, o.key, target); as.ContentType != nil && checkMetadata(o.head) == nil {
			replaceMetadata(in, as)
		}
	}
	f.attributes.applyToCopy(in)
	return in
}

// sendCopy has S3 copy an object, if its ETag still is o's, and returns the copy's version. What the service does not know
// of the request is done without.
func (f *FS) sendCopy(
	ctx context.Context, in *s3.CopyObjectInput, o object, only condition, options ...func(*s3.Options),
) (made copyResult, err error) {
	err = f.conditionally(ctx, copyObject, *in.Key, only, func(only condition) error {
		in.IfMatch, in.IfNoneMatch = only.match, only.noneMatch
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

// errSourceChanged says that S3 has made a copy without a condition, whose source is no longer what it was before the copy.
var errSourceChanged = errors.New("the source has changed since it was copied")

// ifSourceUnchanged runs send, which copies from o, on the condition that o's ETag is what it was. Where the service does not
// know the condition, the ETag is compared before and after the copy; only before, if the copy replaces o, because it can have
// another ETag, as that of an object in parts.
func (f *FS) ifSourceUnchanged(ctx context.Context, x Feature, o object, replaced string, send func(match *string) error) error {
	return f.client.features.try(x, "", isUnsupported, func(with bool) error {
		only := condition{match: quoted(o.etag)}
		if with {
			return send(only.match)
		}
		if err := f.checkCondition(ctx, o.key, only); err != nil {
			return err
		}
		if err := send(nil); err != nil || replaced == o.key {
			return err
		}
		if err := f.checkCondition(ctx, o.key, only); err != nil {
			return fmt.Errorf("%w: %w", errSourceChanged, err)
		}
		return nil
	})
}

// withStorageClass runs send with the storage class of what is copied. A class that cannot be asked for, as that of an object
// which MinIO has moved to another store, is left to the bucket.
func (f *FS) withStorageClass(class types.StorageClass, send func(types.StorageClass) error) error {
	if class == "" {
		return send(class)
	}
	refuses := func(err error) bool { return errorCode(err) == "InvalidStorageClass" }
	return f.client.features.try(storageClass, string(class), refuses, func(with bool) error {
		if with {
			return send(class)
		}
		return send("")
	})
}

// refusesMarkerCopy reports whether an error is that of a service which cannot copy the marker of a directory, as it has a
// directory of its own there: versitygw and, by the second code, SeaweedFS.
func refusesMarkerCopy(err error) bool {
	return errorCode(err) == "DirectoryObjectContainsData" || errorCode(err) == "NoSuchKey"
}

// copySource escapes the name of a copy's source for its header, where a plus sign would stand for a space. The key in an
// access point, whose ARN stands for the bucket, follows /object/.
func copySource(bucket, key string) string {
	if strings.HasPrefix(bucket, "arn:") {
		bucket += "/object"
	}
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(bucket + "/" + key))
}
