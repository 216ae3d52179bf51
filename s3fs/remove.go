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
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Remove deletes a file. What is only a directory is syscall.EISDIR.
// A directory without a marker is gone with its last file. Our broken uploads to the file are aborted.
func (f *FS) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	done, err := f.remove(ctx, name)
	return done, wrap("remove", name, err)
}

func (f *FS) remove(ctx context.Context, name string) (done proxy.Stored, err error) {
	key, err := f.fileKey(name)
	if err != nil {
		return done, err
	}
	l := f.newNameLock(key)
	if err := l.acquire(ctx); err != nil {
		return done, err
	}
	defer l.release()
	done = f.storedAt(key)
	is, err := f.head(ctx, key)
	if err == nil {
		ctx, cancel, err := changeContext(ctx)
		if err != nil {
			return done, err
		}
		defer cancel()
		done.OldETag = is.etag
		end := f.abortAfterDelete(ctx, key)
		err = f.deleteCurrent(ctx, key, is.etag, deleteTries, func() (string, error) {
			now, err := f.head(ctx, key)
			if err != nil {
				return "", err
			}
			return now.etag, nil
		})
		end(err == nil)
		return done, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return done, err
	}
	if _, err = f.statDir(ctx, key+"/"); errors.Is(err, fs.ErrNotExist) {
		f.client.uploads.awaitCleanUps(ctx, f.bucketKey(key))
		open, listErr := f.listUploadsTo(ctx, key)
		if f.abortUploadsTo(ctx, key, f.client.uploads.takeSuspended(f.bucketKey(key)), open, listErr) > 0 {
			return done, nil
		}
	}
	if err != nil {
		return done, err
	}
	return done, syscall.EISDIR
}

// delete deletes an object that has the ETag was, "" = unknown. With match, S3 compares that as it deletes.
//
// S3 answers 204. Some services answer 200, as a proxy does that S3 has not heard of: then HEAD tells whether the object is gone.
func (f *FS) delete(ctx context.Context, key, was string, match *string) error {
	var t attemptCount
	out, err := f.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &f.bucket, Key: &key, IfMatch: match}, countAttempts(&t))
	switch {
	case err == nil && hasStatus(out.ResultMetadata, http.StatusNoContent):
		return nil
	case t.sent > 1 && errors.Is(err, fs.ErrNotExist):
		return nil // the first try has deleted it
	case err == nil:
		err = errUnconfirmed
	case !unclear(err, t):
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
		return nil // another one was stored after the deletion
	}
	return err
}

// hasStatus reports whether the answer to a request had this HTTP status.
func hasStatus(metadata middleware.Metadata, status int) bool {
	answer, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response)
	return ok && answer.StatusCode == status
}

// Mkdir makes a directory by putting its marker, an empty object. A file or directory of that name is fs.ErrExist.
func (f *FS) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	made, err := f.mkdir(ctx, dir)
	return made, wrap("mkdir", dir, err)
}

func (f *FS) mkdir(ctx context.Context, dir string) (made proxy.Stored, err error) {
	key, err := f.dirPrefix(dir)
	if err != nil {
		return made, err
	}
	l := f.newNameLock(key)
	if err := l.acquire(ctx); err != nil {
		return made, err
	}
	defer l.release()
	if _, err := f.stat(ctx, strings.TrimSuffix(dir, "/")); err == nil {
		return made, fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return made, err
	}
	ctx, cancel, err := changeContext(ctx)
	if err != nil {
		return made, err
	}
	defer cancel()
	made = f.storedAt(key)
	made.ETag, err = f.putNewMarker(ctx, key)
	return made, err
}

// putNewMarker puts the marker of a directory that is not there. A rename of another process that reserves the name would otherwise take
// this marker for its own, and delete it.
func (f *FS) putNewMarker(ctx context.Context, key string) (etag string, err error) {
	etag, err = f.putMarkerIfAbsent(ctx, key, markerType)
	if !precondition(err) {
		return etag, err
	}
	if _, missing := f.statDir(ctx, key); errors.Is(missing, fs.ErrNotExist) {
		return f.putMarker(ctx, key, condition{}) // SeaweedFS keeps an empty directory for a while, without listing it
	}
	return "", fmt.Errorf("%w: %w", fs.ErrExist, err)
}

// markerType is the type of directory markers.
const markerType = "application/x-directory"

// putMarker puts the marker of a directory, on a condition if there is one, and returns its ETag.
func (f *FS) putMarker(ctx context.Context, key string, only condition) (etag string, err error) {
	return f.putMarkerAs(ctx, key, markerType, only)
}

// putMarkerIfAbsent puts a marker of some type where there is none, and looks for it if S3 did not confirm it. It returns its ETag.
func (f *FS) putMarkerIfAbsent(ctx context.Context, key, contentType string) (etag string, err error) {
	var t attemptCount
	etag, err = f.putMarkerAs(ctx, key, contentType, ifAbsent, countAttempts(&t))
	if unclear(err, t) {
		if there, _ := f.head(ctx, key); there != nil && aws.ToString(there.head.ContentType) == contentType {
			f.log.WarnContext(ctx, "S3 did not confirm a directory's marker that it has stored", "key", key, "err", err)
			return there.etag, nil
		}
	}
	return etag, err
}

// putMarkerAs is mark for a marker with a type of its own.
func (f *FS) putMarkerAs(ctx context.Context, key, contentType string, only condition, options ...func(*s3.Options)) (etag string, err error) {
	err = f.client.withChecksum(func(a algorithm) error {
		in := &s3.PutObjectInput{
			Bucket:        &f.bucket,
			Key:           &key,
			ContentLength: aws.Int64(0),
			ContentType:   &contentType,
		}
		f.attributes.applyToPut(in)
		checksum{a, a.hash().Sum(nil)}.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		return f.conditionally(ctx, putObject, key, only, func(only condition) error {
			in.IfMatch, in.IfNoneMatch = only.match, only.noneMatch
			out, err := f.api.PutObject(ctx, in, options...)
			if err == nil {
				etag = unquote(out.ETag)
			}
			return err
		})
	})
	return etag, err
}

// Rmdir deletes an empty directory, which is one that has nothing but its marker. One that has more is
// syscall.ENOTEMPTY, a file syscall.ENOTDIR, and the root fs.ErrPermission.
func (f *FS) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	done, err := f.rmdir(ctx, dir)
	return done, wrap("rmdir", dir, err)
}

func (f *FS) rmdir(ctx context.Context, dir string) (done proxy.Stored, err error) {
	key, err := f.dirPrefix(dir)
	if err != nil {
		return done, err
	}
	if key == f.prefix {
		return done, fs.ErrPermission
	}
	l := f.newNameLock(key)
	if err := l.acquire(ctx); err != nil {
		return done, err
	}
	defer l.release()
	done = f.storedAt(key)
	look := func() (string, error) { return f.emptyDirMarker(ctx, key) }
	if done.OldETag, err = look(); err != nil {
		return done, err
	}
	ctx, cancel, err := changeContext(ctx)
	if err != nil {
		return done, err
	}
	defer cancel()
	return done, f.deleteMarker(ctx, key, done.OldETag, deleteTries, look)
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

// deleteMarker is deleteSeen for the marker of a directory, whose ETag a listing or its PutObject has told. AWS obeys If-Match only where
// s3:GetObject is allowed, which these two do not need: without it, the marker is deleted as it is.
func (f *FS) deleteMarker(ctx context.Context, key, etag string, tries int, look func() (string, error)) error {
	err := f.deleteCurrent(ctx, key, etag, tries, look)
	if status(err) == http.StatusForbidden {
		return f.delete(ctx, key, etag, nil)
	}
	return err
}
