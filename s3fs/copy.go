package s3fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// How S3 is asked to copy what is too large for one request.
const (
	maxCopy       = 5 << 30   // the largest object that S3 copies in one request, and the largest part
	copyPartSize  = 512 << 20 // of a part, about: a service that copies parts one after the other has many to do at once
	copyPartsMost = 1000      // which all services take; larger objects have larger parts first, then more
)

// like returns the multipart upload that makes an object of the same kind as one that is there: its headers, metadata,
// storage class and KMS key. Key, bucket and tags are the caller's to add.
//
// It has no checksum algorithm: with one, S3 services refuse to copy parts from an object that has none itself.
func like(is *s3.HeadObjectOutput) *s3.CreateMultipartUploadInput {
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

// allMetadata returns an error for an object with metadata that S3 cannot tell in headers: a copy that says its metadata
// again would lose them.
func allMetadata(is *s3.HeadObjectOutput) error {
	if n := aws.ToInt32(is.MissingMeta); n > 0 {
		return fmt.Errorf("%d metadata entries that headers cannot hold would be lost: %w", n, errors.ErrUnsupported)
	}
	return nil
}

// tagging returns an object's tags as a request to write another takes them, nil if it has none. Only where HEAD has
// said that there are tags does it ask for them.
func (f *FS) tagging(ctx context.Context, key string, is *s3.HeadObjectOutput) (*string, error) {
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

// A multipart is a multipart upload that runs.
type multipart struct{ key, id string }

// wholeObject is the span of an object that is copied without a range: S3 takes ranges only of sources over 5 MiB.
var wholeObject = span{0, -1}

// copyPart makes a range of an object a part of a multipart upload, unless the object is no longer what its ETag says.
// It returns the part's ETag, as S3 gave it.
func (f *FS) copyPart(ctx context.Context, to multipart, source, etag string, number int32, s span) (copied *string, err error) {
	in := &s3.UploadPartCopyInput{
		Bucket:     &f.bucket,
		Key:        &to.key,
		UploadId:   &to.id,
		PartNumber: &number,
		CopySource: aws.String(copySource(f.bucket, source)),
	}
	if s != wholeObject {
		in.CopySourceRange = aws.String(fmt.Sprintf("bytes=%d-%d", s.first, s.last))
	}
	err = f.fromUnchanged(ctx, partCopySource, object{key: source, etag: etag}, "", func(match *string) error {
		in.CopySourceIfMatch = match
		out, err := f.api.UploadPartCopy(s3http.WithSlow(ctx), in)
		if err == nil {
			copied = out.CopyPartResult.ETag
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copying bytes %d to %d of %q: %w", s.first, s.last, source, err)
	}
	return copied, nil
}

// A span is a range of bytes, of which the last belongs to it.
type span struct{ first, last int64 }

func (s span) size() int64 { return s.last - s.first + 1 }

// ranges divides size bytes, of which there must be some, into parts that S3 copies, all of one size but the last, which
// is shorter by less than their number. Up to 512 MiB there is one, then parts have 256 to 512 MiB up to 500 GiB; above
// that, 1,000 parts grow to 5 GiB, and above 4.9 TiB there are more.
func (f *FS) ranges(size int64) []span {
	n := ceil(size, cmp.Or(f.copySpan, copyPartSize))
	n = min(n, max(copyPartsMost, ceil(size, maxCopy)))
	n = max(min(n, size/minPart), 1)
	each := ceil(size, n)
	spans := make([]span, 0, n)
	for first := int64(0); first < size; first += each {
		spans = append(spans, span{first, min(first+each, size) - 1})
	}
	return spans
}

func ceil(a, b int64) int64 { return (a + b - 1) / b }
