package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// SetTime keeps a time with a file, where Stat finds it and rclone does too: as the metadata's mtime, in seconds since
// 1970. S3 has no way to change metadata but to copy the object onto itself, which leaves all else as it is.
//
// A directory is syscall.EISDIR.
func (f *FS) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	key, err := f.file(name)
	if err != nil {
		return proxy.Stored{}, wrap("set the time of", name, err)
	}
	made, err := f.setTime(ctx, key, mtime, "")
	return made, wrap("set the time of", name, err)
}

// setTimeTries is how often a copy is tried that fails because another session changes the object. One in parts takes too long for that.
const setTimeTries = 4

// settlePause is half of how long to wait before the first repetition of an operation that met another session's.
const settlePause = 50 * time.Millisecond

// setTime sets the time of the object with this ETag alone; "" = of any.
func (f *FS) setTime(ctx context.Context, key string, mtime time.Time, etag string) (proxy.Stored, error) {
	done := f.storedAt(key)
	l := f.lock(key)
	defer l.release()
	for i := 1; ; i++ {
		if err := l.take(ctx); err != nil {
			return done, err
		}
		is, err := f.datable(ctx, key)
		if err != nil {
			return done, err
		}
		if etag != "" && unquote(is.ETag) != etag {
			return done, fmt.Errorf("%w: %q has the ETag %s, want %s", errBusy, key, unquote(is.ETag), etag)
		}
		made, err := f.copyWithTime(ctx, key, is, seconds(mtime), l)
		if !changed(err) {
			done.Size, done.ETag, done.OldETag, done.Version = aws.ToInt64(is.ContentLength), made.etag, unquote(is.ETag), made.version
			return done, err
		}
		// Another process may be at it: it copies the file onto itself too, or replaces it. If it has deleted it, HEAD says so.
		if i == setTimeTries || f.inParts(aws.ToInt64(is.ContentLength)) {
			return done, fmt.Errorf("%w: %v", errBusy, err)
		}
		if err := pause(ctx, settlePause<<i, err); err != nil {
			return done, err
		}
	}
}

// datable describes the object whose time is to be set.
func (f *FS) datable(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	is, err := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &key})
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := f.statDir(ctx, key+"/"); err != nil {
			return nil, err
		}
		return nil, syscall.EISDIR
	}
	if err != nil {
		return nil, err
	}
	return is, allMetadata(is)
}

// copyWithTime copies an object onto itself, with a time in its metadata, unless it has changed since it was described. A large one is
// copied without the lock.
func (f *FS) copyWithTime(ctx context.Context, key string, is *s3.HeadObjectOutput, mtime string, l *nameLock) (made copyMade, err error) {
	as := like(is)
	f.attributes.onCreateCopy(as)
	if as.Metadata == nil {
		as.Metadata = make(map[string]string)
	}
	as.Metadata["mtime"] = mtime
	o := object{key: key, size: aws.ToInt64(is.ContentLength), etag: unquote(is.ETag)}
	if f.inParts(o.size) {
		as.Key = &key
		if as.Tagging, err = f.tagging(ctx, key, is); err != nil {
			return made, err
		}
		made.etag, err = f.copyPartsWithTime(ctx, o, as, l)
		return made, err
	}
	ctx, cancel, err := f.client.completingCopy(ctx)
	if err != nil {
		return made, err
	}
	defer cancel()
	var t tried
	made, err = f.sendCopy(ctx, f.ontoItself(key, is, as), o, condition{match: is.ETag}, counting(&t))
	if unclear(err, t) && f.hasTime(ctx, key, mtime, o.size) {
		f.log.WarnContext(ctx, "S3 did not confirm a time that it has stored", "key", key, "err", err)
		return copyMade{}, nil
	}
	return made, err
}

// copyPartsWithTime copies a large object onto itself. Some services ignore the condition of CompleteMultipartUpload: so before the copy is
// published, it makes sure that no other session of this process has replaced or deleted the object.
func (f *FS) copyPartsWithTime(ctx context.Context, o object, as *s3.CreateMultipartUploadInput, l *nameLock) (etag string, err error) {
	ctx, watch := f.watch(ctx, o.key)
	defer watch.end()
	only := condition{match: quoted(o.etag)}
	l.check = func(ctx context.Context) error {
		if !watch.has(f.place(o.key)) {
			return nil
		}
		return f.holds(ctx, o.key, only)
	}
	defer func() { l.check = nil }()
	return f.copyInParts(ctx, o, as, only, l)
}

// hasTime reports whether an object of that size has the time in its metadata.
func (f *FS) hasTime(ctx context.Context, key, mtime string, size int64) bool {
	now, err := f.head(ctx, key)
	return err == nil && now.size == size && now.head.Metadata["mtime"] == mtime
}

// ontoItself is the copy of an object with other metadata: what such a copy does not keep by itself is said again.
func (f *FS) ontoItself(key string, is *s3.HeadObjectOutput, as *s3.CreateMultipartUploadInput) *s3.CopyObjectInput {
	in := &s3.CopyObjectInput{
		Bucket:                  &f.bucket,
		Key:                     &key,
		ACL:                     as.ACL,
		CopySource:              aws.String(copySource(f.bucket, key)),
		StorageClass:            as.StorageClass,
		WebsiteRedirectLocation: as.WebsiteRedirectLocation,
		ServerSideEncryption:    as.ServerSideEncryption,
		SSEKMSKeyId:             as.SSEKMSKeyId,
		BucketKeyEnabled:        as.BucketKeyEnabled,
	}
	replaceMetadata(in, as)
	return in
}

// replaceMetadata has a copy describe its content as this upload would, and not as the source does.
func replaceMetadata(in *s3.CopyObjectInput, as *s3.CreateMultipartUploadInput) {
	in.MetadataDirective = types.MetadataDirectiveReplace
	in.Metadata = as.Metadata
	in.CacheControl = as.CacheControl
	in.ContentDisposition = as.ContentDisposition
	in.ContentEncoding = as.ContentEncoding
	in.ContentLanguage = as.ContentLanguage
	in.ContentType = as.ContentType
	in.Expires = as.Expires
}

// seconds writes a time as mtime reads it: in decimals, without a fraction where there is none.
func seconds(t time.Time) string {
	text := strconv.FormatInt(t.Unix(), 10)
	if n := t.Nanosecond(); n != 0 && t.Unix() >= 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", n), "0")
	}
	return text
}
