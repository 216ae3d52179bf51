package s3fs

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A condition is what S3 is to look at before it publishes a copy: the headers If-Match and If-None-Match, nil = none.
type condition struct{ match, noneMatch *string }

// inParts reports whether an object of so many bytes is too large to be copied in one request.
func (f *FS) inParts(size int64) bool { return size > cmp.Or(f.copyMost, maxCopy) }

// copyInParts copies an object of any size, with some bytes, as it is described by like; it does so unless the object has
// changed since, or the condition is not met, which is fs.ErrExist if the name was to be free. It returns the
// ETag of the copy, which S3 has confirmed to be whole; after an error, that which the copy may have, "" if there is none.
func (f *FS) copyInParts(ctx context.Context, o object, as *s3.CreateMultipartUploadInput, only condition) (etag string, err error) {
	to, err := f.begin(ctx, as)
	if err != nil {
		return "", err
	}
	parts, err := f.copyParts(ctx, to, o)
	if err == nil {
		etag, err = f.publishCopy(ctx, to, parts, only, copied{o.size, as.Metadata})
	}
	if err != nil {
		f.abandon(ctx, to)
	}
	return etag, err
}

// copyOf returns the upload that makes target a copy of an object, if that still is what it was.
func (f *FS) copyOf(ctx context.Context, o object, target string) (*s3.CreateMultipartUploadInput, error) {
	is, err := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &o.key, IfMatch: aws.String(`"` + o.etag + `"`)})
	if err != nil {
		return nil, err
	}
	as := like(is)
	if to := retyped(is, o.key, target); to != nil {
		as.ContentType = to
	}
	f.attributes.onCreateCopy(as)
	as.Key = &target
	as.Tagging, err = f.tagging(ctx, o.key, is)
	return as, err
}

// begin begins a multipart upload. It outlasts the caller for the same reason as upload.create does.
func (f *FS) begin(ctx context.Context, as *s3.CreateMultipartUploadInput) (multipart, error) {
	if err := context.Cause(ctx); err != nil {
		return multipart{}, err
	}
	ctx, cancel := outlast(ctx, cleanup)
	defer cancel()
	as.Bucket = &f.bucket
	out, err := f.api.CreateMultipartUpload(ctx, as)
	if err != nil {
		return multipart{}, err
	}
	return multipart{aws.ToString(as.Key), aws.ToString(out.UploadId)}, nil
}

// copyParts copies all of an object, several parts at a time. Their numbers begin with 1, not with firstPart, so that
// nobody takes them for an upload.
func (f *FS) copyParts(ctx context.Context, to multipart, o object) ([]types.CompletedPart, error) {
	spans := f.ranges(o.size)
	parts := make([]types.CompletedPart, len(spans))
	for i := range parts {
		parts[i].PartNumber = aws.Int32(int32(i + 1))
	}
	err := each(ctx, parts, func(ctx context.Context, p types.CompletedPart) error {
		ctx, cancel := outlast(ctx, cleanup) // a part that comes after the upload has been ended would stay for good
		defer cancel()
		i := *p.PartNumber - 1
		etag, err := f.copyPart(ctx, to, o.key, o.etag, *p.PartNumber, spans[i])
		parts[i].ETag = etag
		return err
	})
	return parts, err
}

// copied is what a copy must be when it is whole.
type copied struct {
	size     int64
	metadata map[string]string
}

func (c copied) fits(is *s3.HeadObjectOutput, etag string) bool {
	return aws.ToInt64(is.ContentLength) == c.size && unquote(is.ETag) == etag
}

// publishCopy makes the parts the object. Whether they are is seen by looking at it, in particular when S3's answer was
// lost.
func (f *FS) publishCopy(ctx context.Context, to multipart, parts []types.CompletedPart, only condition, want copied) (etag string, err error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishing)
	defer cancel()
	etag, err = f.joinParts(ctx, to, parts, only)
	is, headErr := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &to.key})
	whole := headErr == nil && want.fits(is, etag)
	switch {
	case headErr != nil:
		return etag, errors.Join(err, fmt.Errorf("what became of the copy %q: %w", to.key, headErr))
	case err == nil && !whole:
		return etag, fmt.Errorf("the copy %q has %d bytes and the ETag %s, want %d and %s",
			to.key, aws.ToInt64(is.ContentLength), aws.ToString(is.ETag), want.size, etag)
	case err != nil && whole && maps.Equal(is.Metadata, want.metadata):
		f.log.Warn("S3 did not confirm a copy that it has completed", "key", to.key, "err", err)
		return etag, nil
	case only.noneMatch != nil && precondition(err):
		return etag, fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return etag, err
}

// joinParts asks S3 to make the parts the object, and returns the ETag that it then has, as far as that is known.
func (f *FS) joinParts(ctx context.Context, to multipart, parts []types.CompletedPart, only condition) (etag string, err error) {
	out, err := f.api.CompleteMultipartUpload(handOver(patient(ctx)), &s3.CompleteMultipartUploadInput{
		Bucket:          &f.bucket,
		Key:             &to.key,
		UploadId:        &to.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		IfMatch:         only.match,
		IfNoneMatch:     only.noneMatch,
	})
	if err != nil {
		return wholeETag(parts), err
	}
	return unquote(out.ETag), nil
}

// wholeETag returns the ETag that an object has which is made of these parts; "" where they are not checksums.
func wholeETag(parts []types.CompletedPart) string {
	sums := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(unquote(p.ETag))
		if err != nil {
			return ""
		}
		sums.Write(sum)
	}
	return fmt.Sprintf("%x-%d", sums.Sum(nil), len(parts))
}
