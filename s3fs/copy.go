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
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// Sizes of copies inside S3.
const (
	maxCopy       = 5 << 30   // largest object that S3 copies in one request, and largest part
	copyPartSize  = 512 << 20 // approximate size of a copied part; some services copy the parts of an object one after the other
	copyPartsMost = 1000      // parts that every service accepts; larger objects get larger parts before they get more
)

// wholeObject is the span of an object to copy without a range. S3 accepts ranges only for sources over 5 MiB.
var wholeObject = span{0, -1}

// copyPart copies a range of an object as a part of a multipart upload, unless the object's ETag has changed. It
// returns the ETag of the part, in quotes.
func (f *FS) copyPart(ctx context.Context, to multipartUpload, source, etag string, number int32, s span) (copied *string, err error) {
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
	err = f.ifSourceUnchanged(ctx, partCopySource, object{key: source, etag: etag}, "", func(match *string) error {
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

// A span is a range of bytes, including the last.
type span struct{ first, last int64 }

func (s span) size() int64 { return s.last - s.first + 1 }

// copySpans divides size bytes, at least one, into parts for S3 to copy. All have one size but the last, which is
// shorter by less than their number. Up to 512 MiB there is one part. Up to 500 GiB, parts have 256 to 512 MiB.
// Beyond that, 1,000 parts grow to 5 GiB, and beyond 4.9 TiB there are more parts.
func (f *FS) copySpans(size int64) []span {
	n := divideUp(size, cmp.Or(f.partCopySize, copyPartSize))
	n = min(n, max(copyPartsMost, divideUp(size, maxCopy)))
	n = max(min(n, size/minPart), 1)
	each := divideUp(size, n)
	spans := make([]span, 0, n)
	for first := int64(0); first < size; first += each {
		spans = append(spans, span{first, min(first+each, size) - 1})
	}
	return spans
}

// divideUp returns a divided by b, rounded up.
func divideUp(a, b int64) int64 { return (a + b - 1) / b }

// exceedsCopyLimit reports whether an object is too large to be copied in one request.
func (f *FS) exceedsCopyLimit(size int64) bool { return size > cmp.Or(f.copyLimit, maxCopy) }

// copyInParts copies an object of any size in parts, with the properties in like. It fails if the object has changed,
// or if cond does not hold, which is fs.ErrExist if the name must be free. It returns the ETag of the copy, which S3
// has confirmed. After an error it returns the ETag that the copy would have if it was made, "" if it was not.
//
// It releases the lock while S3 copies, which can take minutes, and acquires it again to publish the copy.
func (f *FS) copyInParts(
	ctx context.Context, o object, like *s3.CreateMultipartUploadInput, cond condition, l *nameLock,
) (etag string, err error) {
	l.release()
	to, err := f.createCopyUpload(ctx, like)
	if err != nil {
		return "", err
	}
	spans := f.copySpans(o.size)
	if len(spans) == 1 {
		spans[0] = wholeObject
	}
	parts, err := f.copyParts(ctx, to, o, 1, spans, make(chan struct{}, maxConcurrentCopies))
	if err == nil {
		err = l.acquire(ctx)
	}
	if err == nil {
		etag, err = f.completeCopy(ctx, to, parts, cond, o.size, like.Metadata)
	}
	if err != nil {
		f.abortUpload(ctx, to)
	}
	return etag, err
}

// copyCreateInput returns a request to create the multipart upload that makes target a copy of an object. It fails if
// the object has changed.
func (f *FS) copyCreateInput(ctx context.Context, o object, target string) (*s3.CreateMultipartUploadInput, error) {
	is, err := o.head, error(nil)
	if is == nil {
		is, err = f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &o.key})
	}
	if err != nil {
		return nil, err
	}
	if etag := unquote(is.ETag); etag != o.etag {
		return nil, fmt.Errorf("%w: %q has the ETag %s, want %s", errConditionFailed, o.key, etag, o.etag)
	}
	if err := checkMetadata(is); err != nil {
		return nil, err
	}
	like := createInputLike(is)
	if to := contentTypeOfCopy(is, o.key, target); to != nil {
		like.ContentType = to
	}
	f.attributes.applyToCopyCreate(like)
	like.Key = &target
	like.Tagging, err = f.objectTags(ctx, o.key, is)
	return like, err
}

// createCopyUpload creates the multipart upload of a copy. Like upload.createMultipart, it outlives the caller.
func (f *FS) createCopyUpload(ctx context.Context, in *s3.CreateMultipartUploadInput) (multipartUpload, error) {
	if err := context.Cause(ctx); err != nil {
		return multipartUpload{}, err
	}
	ctx, cancel := withGrace(ctx, cancelGrace)
	defer cancel()
	in.Bucket = &f.bucket
	var id *string
	err := f.withStorageClass(in.StorageClass, func(class types.StorageClass) error {
		in.StorageClass = class
		out, err := f.api.CreateMultipartUpload(ctx, in)
		if err == nil {
			id = out.UploadId
		}
		return err
	})
	if err != nil {
		return multipartUpload{}, err
	}
	return multipartUpload{aws.ToString(in.Key), aws.ToString(id)}, nil
}

// copyParts copies spans of an object as parts, numbered from first. The slots limit how many parts are copied at the
// same time, by all calls that share them.
func (f *FS) copyParts(
	ctx context.Context, to multipartUpload, o object, first int32, spans []span, slots chan struct{},
) ([]types.CompletedPart, error) {
	parts := make([]types.CompletedPart, len(spans))
	for i := range parts {
		parts[i].PartNumber = aws.Int32(first + int32(i))
	}
	err := forEach(ctx, parts, func(ctx context.Context, p types.CompletedPart) error {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		ctx, cancel := f.client.withCopyGrace(ctx) // a part that arrives after the abort may never be removed
		defer cancel()
		i := *p.PartNumber - first
		etag, err := f.copyPart(ctx, to, o.key, o.etag, *p.PartNumber, spans[i])
		parts[i].ETag = etag
		return err
	})
	return parts, err
}

// completeCopy completes a copy in parts. It looks at the object afterwards, whatever S3 has answered.
func (f *FS) completeCopy(
	ctx context.Context, to multipartUpload, parts []types.CompletedPart, cond condition, size int64, metadata map[string]string,
) (etag string, err error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	ctx, cancel := f.client.withCopyGrace(ctx)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, publishTimeout)
	defer stop()
	want := expectedObject{size: size, etag: multipartETag(parts)}
	out, err := f.sendCompleteCopy(ctx, to, parts, cond)
	is, headErr := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &to.key})
	switch {
	case headErr != nil:
		return want.etag, errors.Join(err, fmt.Errorf("verifying the copy %q: %w", to.key, headErr))
	case err == nil && !want.isCompletedAs(out, is):
		return want.etag, fmt.Errorf("the copy %q has %d bytes and the ETag %s, want %d and %s",
			to.key, aws.ToInt64(is.ContentLength), aws.ToString(is.ETag), want.size, aws.ToString(out.ETag))
	case err != nil && want.matches(is) && maps.Equal(is.Metadata, metadata):
		f.log.WarnContext(ctx, "copy completed, but not confirmed by S3", "key", to.key, "err", err)
		return unquote(is.ETag), nil
	case cond.noneMatch != nil && isConditionFailed(err):
		return want.etag, fmt.Errorf("%w: %w", fs.ErrExist, err)
	case err != nil:
		return want.etag, err
	}
	return unquote(is.ETag), nil
}

// sendCompleteCopy sends CompleteMultipartUpload for a copy.
func (f *FS) sendCompleteCopy(
	ctx context.Context, to multipartUpload, parts []types.CompletedPart, cond condition,
) (out *s3.CompleteMultipartUploadOutput, err error) {
	err = f.conditionally(ctx, completeUpload, to.key, cond, func(cond condition) (err error) {
		out, err = f.api.CompleteMultipartUpload(s3http.WithExpect(s3http.WithSlow(ctx)), &s3.CompleteMultipartUploadInput{
			Bucket:          &f.bucket,
			Key:             &to.key,
			UploadId:        &to.id,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
			IfMatch:         cond.match,
			IfNoneMatch:     cond.noneMatch,
		})
		return err
	})
	return out, err
}

// multipartETag returns the ETag that an object of these parts has, "" if the parts' ETags are not MD5.
func multipartETag(parts []types.CompletedPart) string {
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

// copySource escapes the source of a copy for its header, where a plus sign would stand for a space. If the bucket is
// an access point's ARN, the key follows /object/.
func copySource(bucket, key string) string {
	if strings.HasPrefix(bucket, "arn:") {
		bucket += "/object"
	}
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(bucket + "/" + key))
}

// ifSourceUnchanged runs send, which copies from o, on the condition that o's ETag is unchanged. If the service does
// not support the condition, the ETag is compared before and after the copy. It is compared only before if the copy
// replaces o, because the copy can have another ETag, for example that of a multipart object.
func (f *FS) ifSourceUnchanged(ctx context.Context, x Feature, o object, replaced string, send func(match *string) error) error {
	return f.client.features.try(x, "", isUnsupported, func(with bool) error {
		cond := condition{match: quoted(o.etag)}
		if with {
			return send(cond.match)
		}
		if err := f.checkCondition(ctx, o.key, cond); err != nil {
			return err
		}
		if err := send(nil); err != nil || replaced == o.key {
			return err
		}
		if err := f.checkCondition(ctx, o.key, cond); err != nil {
			return fmt.Errorf("%w: %w", errSourceChanged, err)
		}
		return nil
	})
}

// withStorageClass runs send with the storage class of the source. If the service refuses that class, as MinIO does
// for a tier, send runs again without one.
func (f *FS) withStorageClass(class types.StorageClass, send func(types.StorageClass) error) error {
	if class == "" {
		return send(class)
	}
	refuses := func(err error) bool { return errorCode(err) == "InvalidStorageClass" }
	return f.client.features.try(storageClass, string(class), refuses, func(with bool) error {
		if with {
			return send(class)
		}
		return send("")
	})
}

// errSourceChanged says that S3 has copied without a condition, and the source has changed during the copy.
var errSourceChanged = errors.New("the source has changed since it was copied")
