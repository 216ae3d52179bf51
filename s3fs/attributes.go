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

// Attributes are the properties that S3 gives to the objects that an FS writes. With the zero value, the bucket's
// defaults hold.
//
// New content gets all of them, and so does the marker of a directory. A copy keeps the storage class and the tags of
// its source; it gets encryption and ACL, which S3 does not copy.
type Attributes struct {
	StorageClass string
	SSE          string // AES256, aws:kms or aws:kms:dsse
	KMSKey       string // for aws:kms and aws:kms:dsse; empty = the account's default key
	ACL          string // canned
	Tags         map[string]string
}

// applyToPut gives a new object the attributes.
func (a *Attributes) applyToPut(in *s3.PutObjectInput) {
	in.ACL = types.ObjectCannedACL(a.ACL)
	in.StorageClass = types.StorageClass(a.StorageClass)
	in.Tagging = a.tagHeader()
	in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryption(a.SSE), optional(a.KMSKey)
}

// applyToCreate gives a new multipart object the attributes.
func (a *Attributes) applyToCreate(in *s3.CreateMultipartUploadInput) {
	a.applyToCopyCreate(in)
	in.StorageClass = types.StorageClass(a.StorageClass)
	in.Tagging = a.tagHeader()
}

// applyToCopyCreate gives a multipart copy the attributes that S3 does not copy.
func (a *Attributes) applyToCopyCreate(in *s3.CreateMultipartUploadInput) {
	if a.ACL != "" {
		in.ACL = types.ObjectCannedACL(a.ACL)
	}
	if a.SSE != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryption(a.SSE), optional(a.KMSKey), nil
	}
}

// applyToCopy gives a copy the attributes that S3 does not copy.
func (a *Attributes) applyToCopy(in *s3.CopyObjectInput) {
	if a.ACL != "" {
		in.ACL = types.ObjectCannedACL(a.ACL)
	}
	if a.SSE != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryption(a.SSE), optional(a.KMSKey), nil
	}
}

// tagHeader returns the tags for the header x-amz-tagging. Spaces are %20, because some services do not decode a plus
// sign.
func (a *Attributes) tagHeader() *string {
	tags := make(url.Values)
	for key, value := range a.Tags {
		tags.Set(key, value)
	}
	return optional(strings.ReplaceAll(tags.Encode(), "+", "%20"))
}

// optional returns nil for an empty string.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return aws.String(text)
}

// createInputLike returns a request to create a multipart upload with the headers, metadata, storage class and KMS
// key of an object. The caller must add bucket, key and tags.
//
// The upload has no checksum algorithm: with one, S3 services refuse to copy parts from an object without a checksum.
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

// checkMetadata returns an error if an object has metadata that S3 cannot return in headers: a copy with metadata of
// its own would lose them.
func checkMetadata(is *s3.HeadObjectOutput) error {
	if n := aws.ToInt32(is.MissingMeta); n > 0 {
		return fmt.Errorf("%d metadata entries that headers cannot hold would be lost: %w", n, errors.ErrUnsupported)
	}
	return nil
}

// objectTags returns an object's tags as x-amz-tagging, nil if it has none. It sends a request only if HEAD has shown
// that the object has tags.
func (f *FS) objectTags(ctx context.Context, key string, is *s3.HeadObjectOutput) (*string, error) {
	if aws.ToInt32(is.TagCount) == 0 {
		return nil, nil
	}
	// Without the version ID, which would take another permission.
	out, err := f.api.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &f.bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("tags of %q: %w", key, err)
	}
	if len(out.TagSet) == 0 { // the answer may be a proxy's, and the copy would lose its tags
		return nil, fmt.Errorf("%w: no tags of %q, which has %d", errUnconfirmed, key, *is.TagCount)
	}
	tags := make(url.Values)
	for _, t := range out.TagSet {
		tags.Add(aws.ToString(t.Key), aws.ToString(t.Value))
	}
	return aws.String(strings.ReplaceAll(tags.Encode(), "+", "%20")), nil
}

// contentTypes are the types of files by extension. They do not come from the system, so that they are the same
// everywhere.
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

// contentType returns the content type for a key's extension, nil if S3's default fits.
func contentType(key string) *string {
	if t, ok := contentTypes[strings.ToLower(path.Ext(key))]; ok {
		return &t
	}
	return nil
}

// genericTypes are the content types that services give to an object that was put without a type.
var genericTypes = []string{"", "binary/octet-stream", "application/octet-stream"}

// contentTypeOfCopy returns the content type for a copy under another name, or nil to keep that of the source. It is
// nil if the new extension has no type, or if the source has another type than its extension implies, which a client
// must have chosen. So "photo.jpg.part" becomes an image when it is renamed to "photo.jpg".
func contentTypeOfCopy(is *s3.HeadObjectOutput, source, target string) *string {
	has, want := aws.ToString(is.ContentType), contentType(target)
	chosen := !slices.Contains(genericTypes, has)
	if old := contentType(source); old != nil {
		chosen = has != *old
	}
	if want == nil || *want == has || chosen {
		return nil
	}
	return want
}

// SetTime stores the modification time of a file in its metadata, as mtime in seconds since 1970, where Stat and
// rclone find it. S3 can change metadata only by copying the object onto itself; everything else stays the same.
//
// A directory is syscall.EISDIR.
func (f *FS) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	key, err := f.fileKey(name)
	if err != nil {
		return proxy.Stored{}, wrap("set the time of", name, err)
	}
	stored, err := f.setTime(ctx, key, mtime, "")
	return stored, wrap("set the time of", name, err)
}

// setTimeTries is how often a self-copy is tried while another session changes the object. A copy in parts takes too
// long to be tried again.
const setTimeTries = 4

// conflictPause is half of the first pause before an operation that met another session's is retried.
const conflictPause = 50 * time.Millisecond

// setTime sets the time of an object, which must have this ETag; "" = any.
func (f *FS) setTime(ctx context.Context, key string, mtime time.Time, etag string) (proxy.Stored, error) {
	stored := f.storedAt(key)
	l := f.newNameLock(key)
	defer l.release()
	for i := 1; ; i++ {
		if err := l.acquire(ctx); err != nil {
			return stored, err
		}
		is, err := f.headForSetTime(ctx, key)
		if err != nil {
			return stored, err
		}
		if etag != "" && unquote(is.ETag) != etag {
			return stored, fmt.Errorf("%w: %q has the ETag %s, want %s", errBusy, key, unquote(is.ETag), etag)
		}
		made, err := f.copyWithTime(ctx, key, is, formatMtime(mtime), l)
		if !isObjectChanged(err) {
			stored.Size, stored.ETag, stored.OldETag, stored.Version = aws.ToInt64(is.ContentLength), made.etag, unquote(is.ETag), made.version
			return stored, err
		}
		// Another process has set the time too, or has replaced or deleted the file: look again.
		if i == setTimeTries || f.exceedsCopyLimit(aws.ToInt64(is.ContentLength)) {
			return stored, fmt.Errorf("%w: %v", errBusy, err)
		}
		if err := pause(ctx, conflictPause<<i, err); err != nil {
			return stored, err
		}
	}
}

// headForSetTime returns the HEAD of an object before its time is set.
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

// copyWithTime copies an object onto itself with a new time, unless the object has changed. A large object is copied
// without holding the lock.
func (f *FS) copyWithTime(ctx context.Context, key string, is *s3.HeadObjectOutput, mtime string, l *nameLock) (made copyResult, err error) {
	like := createInputLike(is)
	f.attributes.applyToCopyCreate(like)
	if like.Metadata == nil {
		like.Metadata = make(map[string]string)
	}
	like.Metadata["mtime"] = mtime
	o := object{key: key, size: aws.ToInt64(is.ContentLength), etag: unquote(is.ETag)}
	if f.exceedsCopyLimit(o.size) {
		like.Key = &key
		if like.Tagging, err = f.objectTags(ctx, key, is); err != nil {
			return made, err
		}
		made.etag, err = f.copyPartsWithTime(ctx, o, like, l)
		return made, err
	}
	ctx, cancel, err := f.client.copyContext(ctx)
	if err != nil {
		return made, err
	}
	defer cancel()
	var t attemptCount
	made, err = f.sendCopy(ctx, f.selfCopyInput(key, like), o, condition{match: is.ETag}, countAttempts(&t))
	if isAmbiguous(err, t) && f.hasTime(ctx, key, mtime, o.size) {
		f.log.WarnContext(ctx, "modification time set, but not confirmed by S3", "key", key, "err", err)
		return copyResult{}, nil
	}
	return made, err
}

// copyPartsWithTime copies a large object onto itself. Before it publishes the copy, it checks that no other session
// of this process has replaced or deleted the object, because some services ignore the condition of
// CompleteMultipartUpload.
func (f *FS) copyPartsWithTime(ctx context.Context, o object, like *s3.CreateMultipartUploadInput, l *nameLock) (etag string, err error) {
	ctx, watch := f.watch(ctx, o.key)
	defer watch.stop()
	cond := condition{match: quoted(o.etag)}
	l.check = func(ctx context.Context) error {
		if !watch.sawWrite(f.bucketKey(o.key)) {
			return nil
		}
		return f.checkCondition(ctx, o.key, cond)
	}
	defer func() { l.check = nil }()
	return f.copyInParts(ctx, o, like, cond, l)
}

// hasTime reports whether an object has this size, and this time in its metadata.
func (f *FS) hasTime(ctx context.Context, key, mtime string, size int64) bool {
	now, err := f.head(ctx, key)
	return err == nil && now.size == size && now.head.Metadata["mtime"] == mtime
}

// selfCopyInput returns a request to copy an object onto itself with other metadata. It repeats the properties that
// S3 does not copy then.
func (f *FS) selfCopyInput(key string, like *s3.CreateMultipartUploadInput) *s3.CopyObjectInput {
	in := &s3.CopyObjectInput{
		Bucket:                  &f.bucket,
		Key:                     &key,
		ACL:                     like.ACL,
		CopySource:              aws.String(copySource(f.bucket, key)),
		StorageClass:            like.StorageClass,
		WebsiteRedirectLocation: like.WebsiteRedirectLocation,
		ServerSideEncryption:    like.ServerSideEncryption,
		SSEKMSKeyId:             like.SSEKMSKeyId,
		BucketKeyEnabled:        like.BucketKeyEnabled,
	}
	replaceMetadata(in, like)
	return in
}

// replaceMetadata makes a copy take its headers and metadata from like, not from the source.
func replaceMetadata(in *s3.CopyObjectInput, like *s3.CreateMultipartUploadInput) {
	in.MetadataDirective = types.MetadataDirectiveReplace
	in.Metadata = like.Metadata
	in.CacheControl = like.CacheControl
	in.ContentDisposition = like.ContentDisposition
	in.ContentEncoding = like.ContentEncoding
	in.ContentLanguage = like.ContentLanguage
	in.ContentType = like.ContentType
	in.Expires = like.Expires
}

// formatMtime writes a time for the metadata mtime, with a fraction only if it has one.
func formatMtime(t time.Time) string {
	text := strconv.FormatInt(t.Unix(), 10)
	if n := t.Nanosecond(); n != 0 && t.Unix() >= 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", n), "0")
	}
	return text
}
