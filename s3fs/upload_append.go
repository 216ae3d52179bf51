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

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A base is the object of which an upload keeps the beginning. S3 copies it itself; only what is too short to be a part is
// read, and sent once more. The object stays until the whole is published, and nothing is published if it changes
// meanwhile. Such an upload has no lease part, so what a killed process
// leaves of it is not taken for the beginning of a file.
type base struct {
	is     *s3.HeadObjectOutput
	keep   int64
	large  bool // too large to be read and sent again, so it is to be copied
	copied func() ([]types.CompletedPart, error)
}

// appendTo prepares an upload that keeps the beginning of an object.
func (f *FS) appendTo(ctx context.Context, key string, w proxy.Write, kept prefix, there *info) (*upload, error) {
	b := &base{is: there.head, keep: int64(kept)}
	if kept.isAll() {
		b.keep = there.size
	}
	switch {
	case w.New:
		return nil, fs.ErrExist
	case b.keep > there.size:
		return nil, &proxy.OffsetError{Offset: there.size, Err: fmt.Errorf("offset %d of %d bytes: %w", b.keep, there.size, syscall.ESPIPE)}
	}
	if f.uniform && b.keep > minPart {
		return nil, fmt.Errorf("parts that are copied are of another size: %w", errors.ErrUnsupported)
	}
	before := b.keep
	if b.large = b.keep > minPart; b.large {
		before = 0
	}
	u, err := f.upload(ctx, key, w, before)
	if err != nil {
		return nil, err
	}
	u.base = b
	u.resumable = false // as the client would be told the size of the object, not how far it got
	if b.large {
		u.first += int32(len(f.ranges(b.keep)))
	}
	if u.plan.numbers -= int(u.first) - 1; u.plan.numbers < 1 {
		u.close()
		return nil, fmt.Errorf("%d bytes are kept, which leaves no part numbers: %w", b.keep, syscall.EFBIG)
	}
	if b.large {
		u.hot = f.plainSum()
		u.fixed = u.hot // see like
	}
	return u, nil
}

// appendToNothing prepares an upload that appends to an object which is not there. It is published only if there still is none: another
// client may have begun the file meanwhile, and what it has appended must not be lost.
func (f *FS) appendToNothing(ctx context.Context, key string, w proxy.Write) (*upload, error) {
	u, err := f.upload(ctx, key, w, 0)
	if err == nil {
		u.begins = true
	}
	return u, err
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
	if unquote(out.ETag) != unquote(b.is.ETag) { // the service ignores If-Match
		return fmt.Errorf("%w: %q has the ETag %s, want %s", errBusy, u.key, unquote(out.ETag), unquote(b.is.ETag))
	}
	if err := p.fill(u.ctx, out.Body, u.stall); err != io.EOF && err != errFull {
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
		parts, err := u.copyParts(u.sending, multipart{u.key, u.id}, object{key: u.key, size: b.keep, etag: unquote(b.is.ETag)}, u.ranges(b.keep))
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
	if err := allMetadata(b.is); err != nil {
		return nil, err
	}
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
	if err != nil {
		return err
	}
	in.ContentType, in.CacheControl, in.ContentDisposition = as.ContentType, as.CacheControl, as.ContentDisposition
	in.ContentEncoding, in.ContentLanguage, in.Expires = as.ContentEncoding, as.ContentLanguage, as.Expires
	in.Metadata, in.Tagging, in.StorageClass = as.Metadata, as.Tagging, as.StorageClass
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = as.ServerSideEncryption, as.SSEKMSKeyId, as.BucketKeyEnabled
	in.WebsiteRedirectLocation = as.WebsiteRedirectLocation
	return nil
}

// withBaseClass runs send with a storage class, which may be left to the bucket if it is that of the base, see withClass.
func (u *upload) withBaseClass(class types.StorageClass, send func(types.StorageClass) error) error {
	if u.base == nil {
		return send(class)
	}
	return u.withClass(class, send)
}

// only returns the condition on which an upload may be published: that its name is free, or that the object of which it
// retains the beginning has not changed.
func (u *upload) only() (only condition) {
	if u.mustBeNew || u.begins {
		only = absent
	}
	if u.base != nil {
		only.match = u.base.is.ETag
	}
	return only
}
