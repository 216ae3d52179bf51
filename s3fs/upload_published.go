package s3fs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// setTimeMost is the size up to which an object that was uploaded in parts is copied to set its time, in bytes.
const setTimeMost = 1 << 30

// published describes the object that an upload has made.
type published struct {
	proxy.Stored
	timeUnset bool // the source has named a modification time, which the object does not have yet
}

// checksums are those of an answer, CRC32C, CRC32 and SHA-256, as far as it has them.
type checksums [3]*string

// as notes S3's answer to the request that has published the object.
func (p *published) as(size int64, etag, version *string, sums checksums) {
	p.Size, p.ETag, p.Version = size, unquote(etag), aws.ToString(version)
	for i, algorithm := range []string{"CRC32C", "CRC32", "SHA256"} {
		if sums[i] != nil {
			p.Checksum = algorithm + ":" + *sums[i]
			return
		}
	}
}

// completed is as for the answer to CompleteMultipartUpload.
func (p *published) completed(want product, out *s3.CompleteMultipartUploadOutput) {
	etag := out.ETag
	if len(unquote(etag)) < minETag { // which tells nothing
		etag = &want.etag
	}
	p.as(want.size, etag, out.VersionId, checksums{out.ChecksumCRC32C, out.ChecksumCRC32, out.ChecksumSHA256})
}

// keeps notes that the object stays as it is.
func (p *published) keeps(is *s3.HeadObjectOutput) {
	p.Size, p.ETag, p.Version = aws.ToInt64(is.ContentLength), unquote(is.ETag), aws.ToString(is.VersionId)
}

// storedAt begins the description of a change of a key.
func (f *FS) storedAt(key string) proxy.Stored { return proxy.Stored{Bucket: f.bucket, Key: key} }

// setTimeOfUpload sets the modification time of an object that was uploaded in parts, which is a copy of it. The upload has
// succeeded whether this works or not: a failure is only logged.
func (f *FS) setTimeOfUpload(ctx context.Context, made proxy.Stored, mtime time.Time) proxy.Stored {
	if made.Size > setTimeMost {
		f.log.WarnContext(ctx, "the time of an upload is not set, copying its object takes too long", "key", made.Key, "bytes", made.Size)
		return made
	}
	if made.ETag == "" {
		f.log.WarnContext(ctx, "the time of an upload is not set, S3 has not confirmed its ETag", "key", made.Key)
		return made
	}
	timed, err := f.setTime(ctx, made.Key, mtime, made.ETag)
	if err != nil {
		f.log.WarnContext(ctx, "the time of an upload is not set", "key", made.Key, "err", err)
		return made
	}
	made.ETag, made.Version = timed.ETag, timed.Version
	return made
}
