package s3fs

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A broken upload is a multipart upload of ours that nobody has completed: it can be resumed, from any process that
// has access to the bucket. S3 has all there is to know of it.
type broken struct {
	id    string
	begun time.Time
	parts []sent // from the first on, without a gap, each long enough to be followed by another
	size  int64  // of these
}

// broken finds the newest broken upload to a key, nil if there is none, and ends those that are too old to be resumed.
func (f *FS) broken(ctx context.Context, key string) (*broken, error) {
	open, err := f.openUploads(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, o := range open {
		b, err := f.inspect(ctx, key, o)
		if b != nil || err != nil {
			return b, err
		}
	}
	return nil, nil
}

// openUploads lists the multipart uploads to a key, the newest first.
func (f *FS) openUploads(ctx context.Context, key string) ([]types.MultipartUpload, error) {
	if f.resume <= 0 || f.client.uploads.hidden(f.bucket) {
		return nil, nil
	}
	out, err := f.api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &f.bucket, Prefix: &key})
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		f.client.uploads.hide(f.bucket)
		f.log.Warn("broken uploads cannot be resumed, because listing multipart uploads is not allowed", "bucket", f.bucket, "err", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	open := slices.DeleteFunc(out.Uploads, func(u types.MultipartUpload) bool { return aws.ToString(u.Key) != key })
	slices.SortFunc(open, func(a, b types.MultipartUpload) int {
		return cmp.Or(aws.ToTime(b.Initiated).Compare(aws.ToTime(a.Initiated)), cmp.Compare(aws.ToString(a.UploadId), aws.ToString(b.UploadId)))
	})
	return open, nil
}

// inspect returns the multipart upload if it is ours and can be resumed, and ends it if it is ours but too old.
func (f *FS) inspect(ctx context.Context, key string, o types.MultipartUpload) (*broken, error) {
	parts, err := f.listParts(ctx, key, aws.ToString(o.UploadId))
	if err != nil || !ours(parts) {
		if gone(err) {
			err = nil
		}
		return nil, err
	}
	b := &broken{id: aws.ToString(o.UploadId), begun: aws.ToTime(o.Initiated)}
	last := b.begun
	for _, p := range parts {
		if t := aws.ToTime(p.LastModified); t.After(last) {
			last = t
		}
	}
	if !last.IsZero() && time.Since(last) > f.resume && f.client.uploads.owner(b.id) == nil {
		f.log.Info("ending a broken upload that nobody has resumed", "key", key, "upload", b.id, "begun", b.begun)
		f.abandon(ctx, multipart{key, b.id})
		return nil, nil
	}
	b.take(parts, f.uniform)
	if b.size == 0 {
		return nil, nil
	}
	return b, nil
}

// ours reports whether the parts of a multipart upload are numbered as s3fs does, and other programs do not.
func ours(parts []types.Part) bool {
	_, parts = mark(parts)
	return len(parts) > 0 && aws.ToInt32(parts[0].PartNumber) == firstPart
}

// take takes the parts that a resumed upload can begin with. The last one, if it is shorter than the first and cannot do
// without a byte, may be that of a content which is whole: then it has to be sent again, see upload.last.
func (b *broken) take(parts []types.Part, uniform bool) {
	b.parts, b.size = nil, 0
	m, parts := mark(parts)
	if m != nil {
		parts = marked(m, parts)
	}
	for i, p := range parts {
		size := aws.ToInt64(p.Size)
		if aws.ToInt32(p.PartNumber) != int32(firstPart+i) || size < minPart || uniform && size != aws.ToInt64(parts[0].Size) {
			return
		}
		if i > 0 && i == len(parts)-1 && size == minPart && size < aws.ToInt64(parts[0].Size) {
			return
		}
		b.parts = append(b.parts, sent{size: size, etag: p.ETag, sum: partSum(p)})
		b.size += size
	}
}

// partSum returns the checksum that S3 keeps of a part.
func partSum(p types.Part) checksum {
	for a, text := range map[algorithm]*string{crc32C: p.ChecksumCRC32C, crc32IEEE: p.ChecksumCRC32, sha2: p.ChecksumSHA256} {
		if value, err := base64.StdEncoding.DecodeString(aws.ToString(text)); err == nil && len(value) > 0 {
			return checksum{a, value}
		}
	}
	return checksum{algorithm: md5Sum} // which is sent for what follows, and which every service takes
}

// listParts lists the parts of a multipart upload, in the order of their numbers.
func (f *FS) listParts(ctx context.Context, key, id string) ([]types.Part, error) {
	var parts []types.Part
	pages := s3.NewListPartsPaginator(f.api, &s3.ListPartsInput{Bucket: &f.bucket, Key: &key, UploadId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		parts = append(parts, page.Parts...)
	}
	return parts, nil
}

// An offsetError tells where a broken upload can be resumed.
type offsetError struct {
	error
	offset int64
}

func (e offsetError) Unwrap() error { return e.error }

// Offset returns the number of bytes that are safe.
func (e offsetError) Offset() int64 { return e.offset }

func standsAt(offset int64, word error) error {
	return offsetError{fmt.Errorf("a broken upload stands at %d bytes: %w", offset, word), offset}
}
