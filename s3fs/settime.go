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
)

// SetTime keeps a time with a file, where Stat finds it and rclone does too: as the metadata's mtime, in seconds since
// 1970. S3 has no way to change metadata but to copy the object onto itself, which leaves all else as it is.
//
// A directory is syscall.EISDIR.
func (f *FS) SetTime(ctx context.Context, name string, mtime time.Time) error {
	return wrap("set the time of", name, f.setTime(ctx, name, mtime))
}

func (f *FS) setTime(ctx context.Context, name string, mtime time.Time) error {
	key, err := f.file(name)
	if err != nil {
		return err
	}
	is, err := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &key})
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := f.statDir(ctx, key+"/"); err != nil {
			return err
		}
		return syscall.EISDIR
	}
	if err != nil {
		return err
	}
	as := like(is)
	f.attributes.onCreateCopy(as)
	if as.Metadata == nil {
		as.Metadata = make(map[string]string)
	}
	as.Metadata["mtime"] = seconds(mtime)
	if size := aws.ToInt64(is.ContentLength); f.inParts(size) {
		as.Key = &key
		if as.Tagging, err = f.tagging(ctx, key, is); err != nil {
			return err
		}
		_, err = f.copyInParts(ctx, object{key: key, size: size, etag: unquote(is.ETag)}, as, condition{match: is.ETag})
		return err
	}
	_, err = f.api.CopyObject(patient(ctx), f.ontoItself(key, is, as))
	return err
}

// ontoItself is the copy of an object with other metadata: what such a copy does not keep by itself is said again.
func (f *FS) ontoItself(key string, is *s3.HeadObjectOutput, as *s3.CreateMultipartUploadInput) *s3.CopyObjectInput {
	in := &s3.CopyObjectInput{
		Bucket:                  &f.bucket,
		Key:                     &key,
		ACL:                     as.ACL,
		CopySource:              aws.String(copySource(f.bucket, key)),
		CopySourceIfMatch:       is.ETag,
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
