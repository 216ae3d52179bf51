package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A base is the object of which an upload keeps the beginning. S3 copies it itself; only what is too short to be a part is
// read, and sent once more. The object stays until the whole is published, and nothing is published if it changes
// meanwhile. The numbers of what is added begin after firstPart: what a killed process leaves must not be taken for the
// beginning of a file.
type base struct {
	is     *s3.HeadObjectOutput
	keep   int64
	large  bool // too large to be read and sent again, so it is to be copied
	copied func() ([]types.CompletedPart, error)
}

// appendTo prepares an upload that keeps the beginning of an object.
func (f *FS) appendTo(ctx context.Context, key string, w Write, there *info) (*upload, error) {
	b := &base{is: there.head, keep: w.Offset}
	if w.Append {
		b.keep = there.size
	}
	switch {
	case w.New:
		return nil, fs.ErrExist
	case b.keep > there.size:
		return nil, offsetError{fmt.Errorf("offset %d of %d bytes: %w", b.keep, there.size, syscall.ESPIPE), there.size}
	}
	if f.uniform && b.keep >= minPart {
		return nil, fmt.Errorf("parts that are copied are of another size: %w", errors.ErrUnsupported)
	}
	before := b.keep
	if b.large = b.keep >= minPart; b.large {
		before = 0
	}
	u, err := f.upload(ctx, key, w, before)
	if err != nil {
		return nil, err
	}
	u.base = b
	u.resumable = false // as the client would be told the size of the object, not how far it got
	u.first = firstPart + 1
	if b.large {
		u.first = max(u.first, int32(len(f.ranges(b.keep))+1))
	}
	if u.plan.numbers = f.maxParts - int(u.first) + 1; u.plan.numbers < 1 {
		u.close()
		return nil, fmt.Errorf("%d bytes are kept, which leaves no part numbers: %w", b.keep, syscall.EFBIG)
	}
	if b.large {
		if u.hot = md5Sum; f.client.algorithm() == none {
			u.hot = none
		}
		u.fixed = u.hot // see like
	}
	return u, nil
}

// unchanged reports whether an upload that has no bytes leaves its object as it is.
func (b *base) unchanged() bool { return b != nil && b.keep == aws.ToInt64(b.is.ContentLength) }

// begin puts into the first part what is kept, if it is too short to be a part of its own.
func (b *base) begin(u *upload, p *part) error {
	if b == nil || b.large || b.keep == 0 {
		return nil
	}
	out, err := u.api.GetObject(u.ctx, &s3.GetObjectInput{
		Bucket:  &u.bucket,
		Key:     &u.key,
		Range:   aws.String(fmt.Sprintf("bytes=0-%d", b.keep-1)),
		IfMatch: b.is.ETag,
	})
	if err != nil {
		return u.judge(err)
	}
	defer out.Body.Close()
	if err := p.fill(u.ctx, out.Body, u.stall); err != io.EOF {
		return fmt.Errorf("reading what is there: %w", err)
	}
	if p.size != b.keep {
		return fmt.Errorf("%d of %d bytes read of what is there: %w", p.size, b.keep, io.ErrUnexpectedEOF)
	}
	return nil
}

// copy has S3 copy what is kept into the multipart upload, while the rest is received.
func (b *base) copy(u *upload) {
	if b == nil || !b.large {
		return
	}
	b.copied = later(func() ([]types.CompletedPart, error) {
		parts, err := u.copyParts(u.sending, multipart{u.key, u.id}, object{key: u.key, size: b.keep, etag: unquote(b.is.ETag)})
		if err != nil {
			u.fail(err)
		}
		return parts, u.judge(err)
	})
}

// copies waits for the parts that are copied.
func (b *base) copies() ([]types.CompletedPart, error) {
	if b == nil || b.copied == nil {
		return nil, nil
	}
	return b.copied()
}

// size returns how many bytes are copied.
func (b *base) size() int64 {
	if b == nil || !b.large {
		return 0
	}
	return b.keep
}

// create begins the multipart upload of an object like the one that is there, except for its time.
func (b *base) create(u *upload) (*s3.CreateMultipartUploadInput, error) {
	in := like(b.is)
	u.attributes.onCreateCopy(in)
	delete(in.Metadata, "mtime")
	tags, err := u.tagging(u.sending, u.key, b.is)
	in.Tagging = tags
	return in, err
}

// put makes the object that is put in place of another one like it.
func (b *base) put(u *upload, in *s3.PutObjectInput) error {
	if b == nil {
		return nil
	}
	as, err := b.create(u)
	in.ContentType, in.CacheControl, in.ContentDisposition = as.ContentType, as.CacheControl, as.ContentDisposition
	in.ContentEncoding, in.ContentLanguage, in.Expires = as.ContentEncoding, as.ContentLanguage, as.Expires
	in.Metadata, in.Tagging, in.StorageClass = as.Metadata, as.Tagging, as.StorageClass
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = as.ServerSideEncryption, as.SSEKMSKeyId, as.BucketKeyEnabled
	in.WebsiteRedirectLocation = as.WebsiteRedirectLocation
	return err
}

// conditionally runs f, which publishes, on the condition that the object has not changed. A service that knows no such
// conditions is asked before, which leaves a moment for a change.
func (b *base) conditionally(ctx context.Context, u *upload, f func(ifMatch *string) error) error {
	if b == nil {
		return f(nil)
	}
	err := f(b.is.ETag)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	now, failed := u.head(ctx, u.key)
	if failed != nil || now.etag != unquote(b.is.ETag) {
		return fmt.Errorf("%w: %w", syscall.ESTALE, err)
	}
	return f(nil)
}
