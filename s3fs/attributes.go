package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Attributes are what an FS asks of S3 for the objects that it writes. The zero value asks for nothing: the bucket's
// defaults hold.
//
// A new content gets all of them, and so does a directory's marker. A copy keeps the storage class and the tags of what
// it is a copy of; encryption and ACL, which S3 does not copy, are put on it too.
type Attributes struct {
	StorageClass string
	SSE          string // AES256, aws:kms or aws:kms:dsse
	KMSKey       string // for the latter two; empty = the account's own
	ACL          string // canned
	Tags         map[string]string
}

// applyToPut puts the attributes on a new object.
func (a *Attributes) applyToPut(in *s3.PutObjectInput) {
	in.ACL = types.ObjectCannedACL(a.ACL)
	in.StorageClass = types.StorageClass(a.StorageClass)
	in.Tagging = a.tagHeader()
	in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryption(a.SSE), optional(a.KMSKey)
}

// applyToCreate puts the attributes on a new object that is uploaded in parts.
func (a *Attributes) applyToCreate(in *s3.CreateMultipartUploadInput) {
	a.applyToCopyCreate(in)
	in.StorageClass = types.StorageClass(a.StorageClass)
	in.Tagging = a.tagHeader()
}

// applyToCopyCreate puts on a copy in parts what S3 does not copy, and leaves the rest of in alone.
func (a *Attributes) applyToCopyCreate(in *s3.CreateMultipartUploadInput) {
	if a.ACL != "" {
		in.ACL = types.ObjectCannedACL(a.ACL)
	}
	if a.SSE != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryption(a.SSE), optional(a.KMSKey), nil
	}
}

// applyToCopy puts on a copy what S3 does not copy, and leaves the rest of in alone.
func (a *Attributes) applyToCopy(in *s3.CopyObjectInput) {
	if a.ACL != "" {
		in.ACL = types.ObjectCannedACL(a.ACL)
	}
	if a.SSE != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryption(a.SSE), optional(a.KMSKey), nil
	}
}

// tagHeader writes the tags as their header has them, where a plus sign would not stand for a space everywhere.
func (a *Attributes) tagHeader() *string {
	tags := make(url.Values)
	for key, value := range a.Tags {
		tags.Set(key, value)
	}
	return optional(strings.ReplaceAll(tags.Encode(), "+", "%20"))
}

// optional returns nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return aws.String(text)
}

// createInputLike returns the multipart upload that makes an object of the same kind as one that is there: its headers, metadata,
// storage class and KMS key. Key, bucket and tags are the caller's to add.
//
// It has no checksum algorithm: with one, S3 services refuse to copy parts from an object that has none itself.
func createInputLike(is *s3.HeadObjectOutput) *s3.CreateMultipartUploadInput {
	in := &s3.CreateMultipartUploadInput{
		Metadata:                maps.Clone(is.Metadata),
		CacheControl:            is.CacheControl,
		ContentDisposition:      is.ContentDisposition,
		ContentEncoding:         is.ContentEncoding,
		ContentLanguage:         is.ContentLanguage,
		ContentType:             is.ContentType,
		StorageClass:            types.StorageClass(is.StorageClass),
		WebsiteRedirectLocation: is.WebsiteRedirectLocation,
	}
	if expires, err := http.ParseTime(aws.ToString(is.ExpiresString)); err == nil {
		in.Expires = &expires
	}
	if is.ServerSideEncryption != "" && is.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = is.ServerSideEncryption, is.SSEKMSKeyId, is.BucketKeyEnabled
	}
	return in
}

// checkMetadata returns an error for an object with metadata that S3 cannot tell in headers: a copy that says its metadata
// again would lose them.
func checkMetadata(is *s3.HeadObjectOutput) error {
	if n := aws.ToInt32(is.MissingMeta); n > 0 {
		return fmt.Errorf("%d metadata entries that headers cannot hold would be lost: %w", n, errors.ErrUnsupported)
	}
	return nil
}

// objectTags returns an object's tags as a request to write another takes them, nil if it has none. Only where HEAD has
// said that there are tags does it ask for them.
func (f *FS) objectTags(ctx context.Context, key string, is *s3.HeadObjectOutput) (*string, error) {
	if aws.ToInt32(is.TagCount) == 0 {
		return nil, nil
	}
	// Not of the version: that takes another permission.
	out, err := f.api.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &f.bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("tags of %q: %w", key, err)
	}
	if len(out.TagSet) == 0 { // which a page of a proxy has as well, and the copy would have none
		return nil, fmt.Errorf("%w: no tags of %q, which has %d", errUnconfirmed, key, *is.TagCount)
	}
	tags := make(url.Values)
	for _, t := range out.TagSet {
		tags.Add(aws.ToString(t.Key), aws.ToString(t.Value))
	}
	return aws.String(strings.ReplaceAll(tags.Encode(), "+", "%20")), nil
}

// contentTypes is a table of our own: the standard library's depends on what the machine has installed.
var contentTypes = map[string]string{
	".avi": "video/x-msvideo", ".bmp": "image/bmp", ".bz2": "application/x-bzip2", ".css": "text/css; charset=utf-8",
	".csv": "text/csv", ".doc": "application/msword", ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".gif": "image/gif", ".gz": "application/gzip", ".htm": "text/html", ".html": "text/html", ".ico": "image/x-icon",
	".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".js": "text/javascript; charset=utf-8", ".json": "application/json",
	".md": "text/markdown; charset=utf-8", ".mov": "video/quicktime", ".mp3": "audio/mpeg", ".mp4": "video/mp4",
	".pdf": "application/pdf", ".png": "image/png", ".svg": "image/svg+xml", ".tar": "application/x-tar", ".tif": "image/tiff",
	".tiff": "image/tiff", ".txt": "text/plain", ".wav": "audio/wav", ".webm": "video/webm", ".webp": "image/webp",
	".xls": "application/vnd.ms-excel", ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".xml": "application/xml", ".zip": "application/zip", ".zst": "application/zstd",
}

// contentType returns the type that a key's extension stands for, nil where S3's default is as good.
func contentType(key string) *string {
	if t, ok := contentTypes[strings.ToLower(path.Ext(key))]; ok {
		return &t
	}
	return nil
}

// genericTypes are what services say of an object that was put without a type.
var genericTypes = []string{"", "binary/octet-stream", "application/octet-stream"}

// contentTypeOfCopy returns the type that the copy of an object gets under another name, nil if its own stays: the new name's extension
// stands for none, or the object has another type than its old name stands for, by somebody's choice. So "photo.jpg.part"
// becomes an image once it is "photo.jpg".
func contentTypeOfCopy(is *s3.HeadObjectOutput, source, target string) *string {
	has, want := aws.ToString(is.ContentType), contentType(target)
	given := !slices.Contains(genericTypes, has)
	if old := contentType(source); old != nil {
		given = has != *old
	}
	if want == nil || *want == has || given {
		return nil
	}
	return want
}

// SetTime keeps a time with a file, where Stat finds it and rclone does too: as the metadata's mtime, in seconds since
// 1970. S3 has no way to change metadata but to copy the object onto itself, which leaves all else as it is.
//
// A directory is syscall.EISDIR.
func (f *FS) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	key, err := f.fileKey(name)
	if err != nil {
		return proxy.Stored{}, wrap("set the time of", name, err)
	}
	made, err := f.setTime(ctx, key, mtime, "")
	return made, wrap("set the time of", name, err)
}

// setTimeTries is how often a copy is tried that fails because another session changes the object. One in parts takes too long for that.
const setTimeTries = 4

// conflictPause is half of how long to wait before the first repetition of an operation that met another session's.
const conflictPause = 50 * time.Millisecond

// setTime sets the time of the object with this ETag alone; "" = of any.
func (f *FS) setTime(ctx context.Context, key string, mtime time.Time, etag string) (proxy.Stored, error) {
	done := f.storedAt(key)
	l := f.newNameLock(key)
	defer l.release()
	for i := 1; ; i++ {
		if err := l.acquire(ctx); err != nil {
			return done, err
		}
		is, err := f.headForSetTime(ctx, key)
		if err != nil {
			return done, err
		}
		if etag != "" && unquote(is.ETag) != etag {
			return done, fmt.Errorf("%w: %q has the ETag %s, want %s", errBusy, key, unquote(is.ETag), etag)
		}
		made, err := f.copyWithTime(ctx, key, is, formatMtime(mtime), l)
		if !changed(err) {
			done.Size, done.ETag, done.OldETag, done.Version = aws.ToInt64(is.ContentLength), made.etag, unquote(is.ETag), made.version
			return done, err
		}
		// Another process may be at it: it copies the file onto itself too, or replaces it. If it has deleted it, HEAD says so.
		if i == setTimeTries || f.exceedsCopyLimit(aws.ToInt64(is.ContentLength)) {
			return done, fmt.Errorf("%w: %v", errBusy, err)
		}
		if err := pause(ctx, conflictPause<<i, err); err != nil {
			return done, err
		}
	}
}

// headForSetTime describes the object whose time is to be set.
func (f *FS) headForSetTime(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
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
	return is, checkMetadata(is)
}

// copyWithTime copies an object onto itself, with a time in its metadata, unless it has changed since it was described. A large one is
// copied without the lock.
func (f *FS) copyWithTime(ctx context.Context, key string, is *s3.HeadObjectOutput, mtime string, l *nameLock) (made copyResult, err error) {
	as := createInputLike(is)
	f.attributes.applyToCopyCreate(as)
	if as.Metadata == nil {
		as.Metadata = make(map[string]string)
	}
	as.Metadata["mtime"] = mtime
	o := object{key: key, size: aws.ToInt64(is.ContentLength), etag: unquote(is.ETag)}
	if f.exceedsCopyLimit(o.size) {
		as.Key = &key
		if as.Tagging, err = f.objectTags(ctx, key, is); err != nil {
			return made, err
		}
		made.etag, err = f.copyPartsWithTime(ctx, o, as, l)
		return made, err
	}
	ctx, cancel, err := f.client.copyContext(ctx)
	if err != nil {
		return made, err
	}
	defer cancel()
	var t attemptCount
	made, err = f.sendCopy(ctx, f.selfCopyInput(key, is, as), o, condition{match: is.ETag}, countAttempts(&t))
	if unclear(err, t) && f.hasTime(ctx, key, mtime, o.size) {
		f.log.WarnContext(ctx, "S3 did not confirm a time that it has stored", "key", key, "err", err)
		return copyResult{}, nil
	}
	return made, err
}

// copyPartsWithTime copies a large object onto itself. Some services ignore the condition of CompleteMultipartUpload: so before the copy is
// published, it makes sure that no other session of this process has replaced or deleted the object.
func (f *FS) copyPartsWithTime(ctx context.Context, o object, as *s3.CreateMultipartUploadInput, l *nameLock) (etag string, err error) {
	ctx, watch := f.watch(ctx, o.key)
	defer watch.stop()
	only := condition{match: quoted(o.etag)}
	l.check = func(ctx context.Context) error {
		if !watch.sawWrite(f.bucketKey(o.key)) {
			return nil
		}
		return f.checkCondition(ctx, o.key, only)
	}
	defer func() { l.check = nil }()
	return f.copyInParts(ctx, o, as, only, l)
}

// hasTime reports whether an object of that size has the time in its metadata.
func (f *FS) hasTime(ctx context.Context, key, mtime string, size int64) bool {
	now, err := f.head(ctx, key)
	return err == nil && now.size == size && now.head.Metadata["mtime"] == mtime
}

// selfCopyInput is the copy of an object with other metadata: what such a copy does not keep by itself is said again.
func (f *FS) selfCopyInput(key string, is *s3.HeadObjectOutput, as *s3.CreateMultipartUploadInput) *s3.CopyObjectInput {
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

// formatMtime writes a time as mtime reads it: in decimals, without a fraction where there is none.
func formatMtime(t time.Time) string {
	text := strconv.FormatInt(t.Unix(), 10)
	if n := t.Nanosecond(); n != 0 && t.Unix() >= 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", n), "0")
	}
	return text
}
