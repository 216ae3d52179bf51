package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
// A directory is syscall.EISDIR, an object over 5 GiB syscall.EFBIG.
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
	if size := aws.ToInt64(is.ContentLength); size > maxCopy {
		return fmt.Errorf("%d bytes: %w", size, syscall.EFBIG)
	}
	_, err = f.api.CopyObject(patient(ctx), f.retimed(key, is, mtime))
	return err
}

// retimed is the copy of an object onto itself with another time: what a copy does not keep by itself is said again.
func (f *FS) retimed(key string, is *s3.HeadObjectOutput, mtime time.Time) *s3.CopyObjectInput {
	metadata := maps.Clone(is.Metadata)
	if metadata == nil {
		metadata = make(map[string]string)
	}
	metadata["mtime"] = seconds(mtime)
	in := &s3.CopyObjectInput{
		Bucket:                  &f.bucket,
		Key:                     &key,
		CopySource:              aws.String(copySource(f.bucket, key)),
		CopySourceIfMatch:       is.ETag,
		MetadataDirective:       types.MetadataDirectiveReplace,
		Metadata:                metadata,
		CacheControl:            is.CacheControl,
		ContentDisposition:      is.ContentDisposition,
		ContentEncoding:         is.ContentEncoding,
		ContentLanguage:         is.ContentLanguage,
		ContentType:             is.ContentType,
		StorageClass:            types.StorageClass(is.StorageClass),
		WebsiteRedirectLocation: is.WebsiteRedirectLocation,
	}
	if is.ServerSideEncryption != "" && is.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = is.ServerSideEncryption, is.SSEKMSKeyId, is.BucketKeyEnabled
	}
	return in
}

// seconds writes a time as mtime reads it: in decimals, without a fraction where there is none.
func seconds(t time.Time) string {
	text := strconv.FormatInt(t.Unix(), 10)
	if n := t.Nanosecond(); n != 0 && t.Unix() >= 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", n), "0")
	}
	return text
}
