package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// An append, and any upload that keeps ranges of objects, goes this way: prepare looks at what is there (resumeOrAppend, appendTo), receive
// reads the runs of the source, copyInto reads the short ranges into parts and leaves the long ones to S3 (startCopy), create begins the
// multipart upload, and complete publishes it on the condition that the base is unchanged.

// A base is the object that an upload replaces, and of which it keeps something. The object stays until the whole is
// published, and nothing is published if it changes meanwhile. Such an upload has no lease part, so what a killed process
// leaves of it is not taken for the beginning of a file.
type base struct{ is *s3.HeadObjectOutput }

// size returns that of the object.
func (b *base) size() int64 { return aws.ToInt64(b.is.ContentLength) }

// keptBytes is how many of the bytes that are there an upload keeps in front of its new ones; below 0 = all of the object.
type keptBytes int64

func (k keptBytes) isAll() bool { return k < 0 }

// appendTo prepares an upload that keeps the beginning of an object.
func (f *FS) appendTo(ctx context.Context, key string, w proxy.Write, kept keptBytes, there *info) (*upload, error) {
	before := int64(kept)
	if kept.isAll() {
		before = there.size
	}
	if before > minPart {
		before = 0 // it is copied by S3
	}
	u, err := f.replace(ctx, key, w, before, there)
	if err != nil {
		return nil, err
	}
	u.sending.forCopies = there.size > minPart && int64(kept) < there.size && !kept.isAll() // more may be kept behind the new bytes
	if _, err := u.resolve(&proxy.Copy{Length: int64(kept)}); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// change prepares an upload that keeps something of an object, but not at first its beginning: of the version Base, or of the present one
// if that was not given.
func (f *FS) change(ctx context.Context, key string, w proxy.Write) (*upload, error) {
	there, err := f.head(ctx, key)
	switch {
	case w.Base != "" && errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %v", proxy.ErrStale, err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, standsAt(0)
	case err != nil:
		return nil, err
	case w.Base != "" && !sameETag(w.Base, there.etag):
		return nil, fmt.Errorf("%w: %q has the ETag %s, not %s", proxy.ErrStale, key, there.etag, w.Base)
	}
	u, err := f.replace(ctx, key, w, 0, there)
	if err == nil {
		u.sending.forCopies = there.size > minPart
	}
	return u, err
}

// replace prepares an upload that replaces an object by one like it, and is announced to have so many bytes of it before its new ones.
func (f *FS) replace(ctx context.Context, key string, w proxy.Write, before int64, there *info) (*upload, error) {
	if w.New {
		return nil, fs.ErrExist
	}
	u, err := f.upload(ctx, key, w, before)
	if err == nil {
		u.publishing.base = &base{there.head}
		u.resuming.resumable = false // as the client would be told the size of the object, not how far it got
	}
	return u, err
}

// appendToNothing prepares an upload that appends to an object which is not there. It is published only if there still is none: another
// client may have begun the file meanwhile, and what it has appended must not be lost.
func (f *FS) appendToNothing(ctx context.Context, key string, w proxy.Write) (*upload, error) {
	u, err := f.upload(ctx, key, w, 0)
	if err == nil {
		u.publishing.startsFile = true
	}
	return u, err
}

// create begins the multipart upload of an object like the one that is there, except for its time.
func (b *base) create(u *upload) (*s3.CreateMultipartUploadInput, error) {
	if err := allMetadata(b.is); err != nil {
		return nil, err
	}
	in := like(b.is)
	u.fs.attributes.onCreateCopy(in)
	delete(in.Metadata, "mtime")
	tags, err := u.fs.tagging(u.sending.ctx, u.key, b.is)
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
	if u.publishing.base == nil {
		return send(class)
	}
	return u.fs.withClass(class, send)
}
