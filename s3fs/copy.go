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

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// How S3 is asked to copy what is too large for one request.
const (
	maxCopy       = 5 << 30   // the largest object that S3 copies in one request, and the largest part
	copyPartSize  = 512 << 20 // of a part, about: a service that copies parts one after the other has many to do at once
	copyPartsMost = 1000      // which all services take; larger objects have larger parts first, then more
)

// A multipartUpload is a multipart upload that runs.
type multipartUpload struct{ key, id string }

// wholeObject is the span of an object that is copied without a range: S3 takes ranges only of sources over 5 MiB.
var wholeObject = span{0, -1}

// copyPart makes a range of an object a part of a multipart upload, unless the object is no longer what its ETag says.
// It returns the part's ETag, as S3 gave it.
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

// A span is a range of bytes, of which the last belongs to it.
type span struct{ first, last int64 }

func (s span) size() int64 { return s.last - s.first + 1 }

// copySpans divides size bytes, of which there must be some, into parts that S3 copies, all of one size but the last, which
// is shorter by less than their number. Up to 512 MiB there is one, then parts have 256 to 512 MiB up to 500 GiB; above
// that, 1,000 parts grow to 5 GiB, and above 4.9 TiB there are more.
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

func divideUp(a, b int64) int64 { return (a + b - 1) / b }

// exceedsCopyLimit reports whether an object of so many bytes is too large to be copied in one request.
func (f *FS) exceedsCopyLimit(size int64) bool { return size > cmp.Or(f.copyLimit, maxCopy) }

// copyInParts copies an object of any size, with some bytes, as it is described by like; it does so unless the object has
// changed since, or the condition is not met, which is fs.ErrExist if the name was to be free. It returns the
// ETag of the copy, which S3 has confirmed to be whole; after an error, that which the copy may have, "" if there is none.
//
// It releases the lock while S3 copies, which can take minutes, and takes it to publish the copy.
func (f *FS) copyInParts(
	ctx context.Context, o object, as *s3.CreateMultipartUploadInput, only condition, l *nameLock,
) (etag string, err error) {
	l.release()
	to, err := f.createCopyUpload(ctx, as)
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
		etag, err = f.completeCopy(ctx, to, parts, only, o.size, as.Metadata)
	}
	if err != nil {
		f.abortUpload(ctx, to)
	}
	return etag, err
}

// copyCreateInput returns the upload that makes target a copy of an object, if that still is what it was.
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
	as := createInputLike(is)
	if to := contentTypeOfCopy(is, o.key, target); to != nil {
		as.ContentType = to
	}
	f.attributes.applyToCopyCreate(as)
	as.Key = &target
	as.Tagging, err = f.objectTags(ctx, o.key, is)
	return as, err
}

// createCopyUpload begins a multipart upload. It outlasts the caller for the same reason as upload.create does.
func (f *FS) createCopyUpload(ctx context.Context, as *s3.CreateMultipartUploadInput) (multipartUpload, error) {
	if err := context.Cause(ctx); err != nil {
		return multipartUpload{}, err
	}
	ctx, cancel := withGrace(ctx, cancelGrace)
	defer cancel()
	as.Bucket = &f.bucket
	var id *string
	err := f.withStorageClass(as.StorageClass, func(class types.StorageClass) error {
		as.StorageClass = class
		out, err := f.api.CreateMultipartUpload(ctx, as)
		if err == nil {
			id = out.UploadId
		}
		return err
	})
	if err != nil {
		return multipartUpload{}, err
	}
	return multipartUpload{aws.ToString(as.Key), aws.ToString(id)}, nil
}

// copyParts copies spans of an object, each as a part, the first with that number. Of all that share the slots, as many parts are copied at
// a time as there are slots.
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
		ctx, cancel := f.client.withCopyGrace(ctx) // a part that comes after the upload has been ended would stay for good
		defer cancel()
		i := *p.PartNumber - first
		etag, err := f.copyPart(ctx, to, o.key, o.etag, *p.PartNumber, spans[i])
		parts[i].ETag = etag
		return err
	})
	return parts, err
}

// completeCopy makes the parts the object. Whether they are is seen by looking at it, in particular when S3's answer was
// lost.
func (f *FS) completeCopy(
	ctx context.Context, to multipartUpload, parts []types.CompletedPart, only condition, size int64, metadata map[string]string,
) (etag string, err error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	ctx, cancel := f.client.withCopyGrace(ctx)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, publishTimeout)
	defer stop()
	want := expectedObject{size: size, etag: multipartETag(parts)}
	out, err := f.sendCompleteCopy(ctx, to, parts, only)
	is, headErr := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &to.key})
	switch {
	case headErr != nil:
		return want.etag, errors.Join(err, fmt.Errorf("what became of the copy %q: %w", to.key, headErr))
	case err == nil && !want.isCompletedAs(out, is):
		return want.etag, fmt.Errorf("the copy %q has %d bytes and the ETag %s, want %d and %s",
			to.key, aws.ToInt64(is.ContentLength), aws.ToString(is.ETag), want.size, aws.ToString(out.ETag))
	case err != nil && want.matches(is) && maps.Equal(is.Metadata, metadata):
		f.log.WarnContext(ctx, "S3 did not confirm a copy that it has completed", "key", to.key, "err", err)
		return unquote(is.ETag), nil
	case only.noneMatch != nil && precondition(err):
		return want.etag, fmt.Errorf("%w: %w", fs.ErrExist, err)
	case err != nil:
		return want.etag, err
	}
	return unquote(is.ETag), nil
}

// sendCompleteCopy asks S3 to make the parts the object.
func (f *FS) sendCompleteCopy(
	ctx context.Context, to multipartUpload, parts []types.CompletedPart, only condition,
) (out *s3.CompleteMultipartUploadOutput, err error) {
	err = f.conditionally(ctx, completeUpload, to.key, only, func(only condition) (err error) {
		out, err = f.api.CompleteMultipartUpload(s3http.WithExpect(s3http.WithSlow(ctx)), &s3.CompleteMultipartUploadInput{
			Bucket:          &f.bucket,
			Key:             &to.key,
			UploadId:        &to.id,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
			IfMatch:         only.match,
			IfNoneMatch:     only.noneMatch,
		})
		return err
	})
	return out, err
}

// multipartETag returns the ETag that an object has which is made of these parts; "" where they are not checksums.
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
