package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Remove deletes a file. A directory is syscall.EISDIR. With its last file, a directory without a marker disappears.
// The resumable uploads of s3fs to the file are aborted.
func (f *FS) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	stored, err := f.remove(ctx, name)
	return stored, wrap("remove", name, err)
}

func (f *FS) remove(ctx context.Context, name string) (stored proxy.Stored, err error) {
	key, err := f.fileKey(name)
	if err != nil {
		return stored, err
	}
	l := f.newNameLock(key)
	if err := l.acquire(ctx); err != nil {
		return stored, err
	}
	defer l.release()
	stored = f.storedAt(key)
	is, err := f.head(ctx, key)
	if err == nil {
		ctx, cancel, err := changeContext(ctx)
		if err != nil {
			return stored, err
		}
		defer cancel()
		stored.OldETag, stored.OldSize = is.etag, is.size
		end := f.abortAfterDelete(ctx, key)
		err = f.deleteCurrent(ctx, key, is.etag, deleteTries, func() (string, error) {
			now, err := f.head(ctx, key)
			if err != nil {
				return "", err
			}
			return now.etag, nil
		})
		end(err == nil)
		return stored, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return stored, err
	}
	if _, err = f.statDir(ctx, key+"/"); errors.Is(err, fs.ErrNotExist) {
		f.client.uploads.awaitCleanUps(ctx, f.bucketKey(key))
		open, listErr := f.listUploadsTo(ctx, key)
		if f.abortUploadsTo(ctx, key, f.client.uploads.takeSuspended(f.bucketKey(key)), open, listErr) > 0 {
			return stored, nil
		}
	}
	if err != nil {
		return stored, err
	}
	return stored, syscall.EISDIR
}

// delete deletes an object that had the given ETag, "" = unknown. With match, S3 compares the ETag as it
// deletes.
//
// S3 answers 204. Some services answer 200, as does a proxy that has not reached S3. Then HEAD tells whether the
// object is gone.
func (f *FS) delete(ctx context.Context, key, was string, match *string) error {
	var t attemptCount
	out, err := f.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &f.bucket, Key: &key, IfMatch: match}, countAttempts(&t))
	switch {
	case err == nil && hasStatus(out.ResultMetadata, http.StatusNoContent):
		return nil
	case t.sent > 1 && errors.Is(err, fs.ErrNotExist):
		return nil // the first attempt has deleted it
	case err == nil:
		err = errUnconfirmed
	case !isAmbiguous(err, t):
		return err
	}
	now, gone := f.head(ctx, key)
	switch {
	case errors.Is(gone, fs.ErrNotExist):
		if errors.Is(err, errUnconfirmed) {
			f.client.features.refuse(emptyAnswers, "", err)
		}
		return nil
	case gone == nil && (t.ambiguous > 0 || errors.Is(err, errUnconfirmed)) && was != "" && now.etag != was:
		return nil // another object was stored after the deletion
	}
	return err
}

// Mkdir makes a directory by storing its marker, an empty object. If the name exists, as a file or a directory, it is
// fs.ErrExist.
func (f *FS) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	stored, err := f.mkdir(ctx, dir)
	return stored, wrap("mkdir", dir, err)
}

func (f *FS) mkdir(ctx context.Context, dir string) (stored proxy.Stored, err error) {
	key, err := f.dirPrefix(dir)
	if err != nil {
		return stored, err
	}
	l := f.newNameLock(key)
	if err := l.acquire(ctx); err != nil {
		return stored, err
	}
	defer l.release()
	if _, err := f.stat(ctx, strings.TrimSuffix(dir, "/")); err == nil {
		return stored, fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return stored, err
	}
	ctx, cancel, err := changeContext(ctx)
	if err != nil {
		return stored, err
	}
	defer cancel()
	stored = f.storedAt(key)
	stored.ETag, err = f.putNewMarker(ctx, key)
	return stored, err
}

// putNewMarker stores the marker of a directory that does not exist. The condition prevents that another process,
// which has just reserved the name for a rename, takes this marker for its own and deletes it.
func (f *FS) putNewMarker(ctx context.Context, key string) (etag string, err error) {
	etag, err = f.putMarkerIfAbsent(ctx, key, markerType)
	if !isConditionFailed(err) {
		return etag, err
	}
	if _, missing := f.statDir(ctx, key); errors.Is(missing, fs.ErrNotExist) {
		return f.putMarker(ctx, key, condition{}) // SeaweedFS keeps an empty directory for a while but does not list it
	}
	return "", fmt.Errorf("%w: %w", fs.ErrExist, err)
}

// markerType is the content type of directory markers.
const markerType = "application/x-directory"

// putMarker stores the marker of a directory on a condition, and returns its ETag.
func (f *FS) putMarker(ctx context.Context, key string, cond condition) (etag string, err error) {
	return f.putMarkerAs(ctx, key, markerType, cond)
}

// putMarkerIfAbsent stores a marker with a content type where no object exists, and returns its ETag. If S3 does not
// confirm it, HEAD tells whether it is stored.
func (f *FS) putMarkerIfAbsent(ctx context.Context, key, contentType string) (etag string, err error) {
	var t attemptCount
	etag, err = f.putMarkerAs(ctx, key, contentType, ifAbsent, countAttempts(&t))
	if isAmbiguous(err, t) {
		if there, _ := f.head(ctx, key); there != nil && aws.ToString(there.head.ContentType) == contentType {
			f.log.WarnContext(ctx, "directory marker stored, but not confirmed by S3", "key", key, "err", err)
			return there.etag, nil
		}
	}
	return etag, err
}

// putMarkerAs is putMarker with a content type.
func (f *FS) putMarkerAs(ctx context.Context, key, contentType string, cond condition, options ...func(*s3.Options)) (etag string, err error) {
	err = f.client.withChecksum(func(a algorithm) error {
		in := &s3.PutObjectInput{
			Bucket:        &f.bucket,
			Key:           &key,
			ContentLength: aws.Int64(0),
			ContentType:   &contentType,
			Metadata:      f.addProvenance(ctx, nil),
		}
		f.attributes.applyToPut(in)
		checksum{a, a.hash().Sum(nil)}.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		return f.conditionally(ctx, putObject, key, cond, func(cond condition) error {
			in.IfMatch, in.IfNoneMatch = cond.match, cond.noneMatch
			out, err := f.api.PutObject(ctx, in, options...)
			if err == nil {
				etag = unquote(out.ETag)
			}
			return err
		})
	})
	return etag, err
}

// Rmdir deletes a directory that has nothing but its marker. A directory with more is syscall.ENOTEMPTY, a file
// syscall.ENOTDIR, and the root fs.ErrPermission.
func (f *FS) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	stored, err := f.rmdir(ctx, dir)
	return stored, wrap("rmdir", dir, err)
}

func (f *FS) rmdir(ctx context.Context, dir string) (stored proxy.Stored, err error) {
	key, err := f.dirPrefix(dir)
	if err != nil {
		return stored, err
	}
	if key == f.prefix {
		return stored, fs.ErrPermission
	}
	l := f.newNameLock(key)
	if err := l.acquire(ctx); err != nil {
		return stored, err
	}
	defer l.release()
	stored = f.storedAt(key)
	currentETag := func() (string, error) { return f.emptyDirMarker(ctx, key) }
	if stored.OldETag, err = currentETag(); err != nil {
		return stored, err
	}
	ctx, cancel, err := changeContext(ctx)
	if err != nil {
		return stored, err
	}
	defer cancel()
	return stored, f.deleteMarker(ctx, key, stored.OldETag, deleteTries, currentETag)
}

// emptyDirMarker returns the ETag of the marker of a directory that has nothing else.
func (f *FS) emptyDirMarker(ctx context.Context, key string) (etag string, err error) {
	objects, err := f.firstKeys(ctx, key, 2)
	switch {
	case err != nil:
		return "", err
	case len(objects) == 0:
		if _, err := f.head(ctx, strings.TrimSuffix(key, "/")); err != nil {
			return "", err
		}
		return "", syscall.ENOTDIR
	case len(objects) > 1 || objects[0].key != key:
		return "", syscall.ENOTEMPTY
	}
	return objects[0].etag, nil
}

// deleteMarker is deleteCurrent for the marker of a directory; its ETag comes from a listing or from PutObject. On
// AWS, If-Match requires s3:GetObject, which listing and PutObject do not. Without that permission, the marker is
// deleted without a condition.
func (f *FS) deleteMarker(ctx context.Context, key, etag string, tries int, currentETag func() (string, error)) error {
	err := f.deleteCurrent(ctx, key, etag, tries, currentETag)
	if status(err) == http.StatusForbidden {
		return f.delete(ctx, key, etag, nil)
	}
	return err
}
