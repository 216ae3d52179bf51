package s3fs

import (
	"cmp"
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

// An append, and any upload that keeps ranges of objects, goes this way: prepare looks at what is there (resumeOrAppend, appendTo), receive
// reads the runs of the source, copyInto reads the short ranges into parts and leaves the long ones to S3 (startCopy), create begins the
// multipart upload, and complete publishes it on the condition that the base is unchanged.

// A base is the object that an upload replaces, and of which it keeps something. The object stays until the whole is
// published, and nothing is published if it changes meanwhile. Such an upload has no lease part, so what a killed process
// leaves of it is not taken for the beginning of a file.
type base struct{ head *s3.HeadObjectOutput }

// size returns that of the object.
func (b *base) size() int64 { return aws.ToInt64(b.head.ContentLength) }

// keepLength is how many of the bytes that are there an upload keeps in front of its new ones; below 0 = all of the object.
type keepLength int64

func (k keepLength) isAll() bool { return k < 0 }

// appendTo prepares an upload that keeps the beginning of an object.
func (f *FS) appendTo(ctx context.Context, key string, w proxy.Write, kept keepLength, there *info) (*upload, error) {
	before := int64(kept)
	if kept.isAll() {
		before = there.size
	}
	if before > minPart {
		before = 0 // it is copied by S3
	}
	u, err := f.replaceObject(ctx, key, w, before, there)
	if err != nil {
		return nil, err
	}
	u.sending.forCopies = there.size > minPart && int64(kept) < there.size && !kept.isAll() // more may be kept behind the new bytes
	if _, err := u.resolveCopy(&proxy.Copy{Length: int64(kept)}); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// replaceKeepingRanges prepares an upload that keeps something of an object, but not at first its beginning: of the version Base, or of the present one
// if that was not given.
func (f *FS) replaceKeepingRanges(ctx context.Context, key string, w proxy.Write) (*upload, error) {
	there, err := f.head(ctx, key)
	switch {
	case w.Base != "" && errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %v", proxy.ErrStale, err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, offsetError(0)
	case err != nil:
		return nil, err
	case w.Base != "" && !sameETag(w.Base, there.etag):
		return nil, fmt.Errorf("%w: %q has the ETag %s, not %s", proxy.ErrStale, key, there.etag, w.Base)
	}
	u, err := f.replaceObject(ctx, key, w, 0, there)
	if err == nil {
		u.sending.forCopies = there.size > minPart
	}
	return u, err
}

// replaceObject prepares an upload that replaces an object by one like it, and is announced to have so many bytes of it before its new ones.
func (f *FS) replaceObject(ctx context.Context, key string, w proxy.Write, before int64, there *info) (*upload, error) {
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

// appendToMissing prepares an upload that appends to an object which is not there. It is published only if there still is none: another
// client may have begun the file meanwhile, and what it has appended must not be lost.
func (f *FS) appendToMissing(ctx context.Context, key string, w proxy.Write) (*upload, error) {
	u, err := f.upload(ctx, key, w, 0)
	if err == nil {
		u.publishing.baseMissing = true
	}
	return u, err
}

// createInput begins the multipart upload of an object like the one that is there, except for its time.
func (b *base) createInput(u *upload) (*s3.CreateMultipartUploadInput, error) {
	if err := checkMetadata(b.head); err != nil {
		return nil, err
	}
	in := createInputLike(b.head)
	u.fs.attributes.applyToCopyCreate(in)
	delete(in.Metadata, "mtime")
	tags, err := u.fs.objectTags(u.sending.ctx, u.key, b.head)
	in.Tagging = tags
	return in, err
}

// applyTo makes the object that is put in place of another one like it.
func (b *base) applyTo(u *upload, in *s3.PutObjectInput) error {
	if b == nil {
		return nil
	}
	as, err := b.createInput(u)
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

// withBaseStorageClass runs send with a storage class, which may be left to the bucket if it is that of the base, see withClass.
func (u *upload) withBaseStorageClass(class types.StorageClass, send func(types.StorageClass) error) error {
	if u.publishing.base == nil {
		return send(class)
	}
	return u.fs.withStorageClass(class, send)
}

// A copyRange is a range of an object that becomes part of an upload's content. S3 copies it itself. Only up to 5 MiB at
// its beginning and at its end are read, and sent again: S3 takes no shorter parts but the last.
type copyRange struct {
	object        // one version of it
	base          bool
	offset, bytes int64
}

// takeFirst returns the first n bytes of a range.
func (r copyRange) takeFirst(n int64) copyRange {
	r.bytes = n
	return r
}

// dropFirst returns a range without its first n bytes.
func (r copyRange) dropFirst(n int64) copyRange {
	r.offset += n
	r.bytes -= n
	return r
}

// copyError names the error of a request for the range. If the object has changed, trying again is sensible where it is the one that
// the upload replaces.
func (r copyRange) copyError(err error) error {
	switch {
	case !changed(err) && !errors.Is(err, proxy.ErrStale):
		return err
	case r.base:
		return fmt.Errorf("%w: %v", errBusy, err)
	}
	return fmt.Errorf("%w: %q: %v", proxy.ErrStale, r.key, err)
}

// resolveCopy returns the range that a copy means.
func (u *upload) resolveCopy(c *proxy.Copy) (copyRange, error) {
	o, err := u.copySourceOf(c)
	if err != nil {
		return copyRange{}, err
	}
	r := copyRange{object: o, base: c.From == "", offset: c.Offset, bytes: c.Length}
	if c.Length < 0 {
		r.bytes = o.size - c.Offset
	}
	switch beyond := r.offset > o.size || r.bytes > o.size-r.offset; {
	case r.offset < 0 || beyond:
		return copyRange{}, &proxy.OffsetError{
			Offset: o.size, Err: fmt.Errorf("%d bytes from %d on of %d in %q: %w", r.bytes, r.offset, o.size, o.key, syscall.ESPIPE),
		}
	case u.fs.uniform && r.bytes > minPart:
		return copyRange{}, fmt.Errorf("parts that are copied are of another size: %w", errors.ErrUnsupported)
	case r.bytes > minPart && len(u.fs.copySpans(r.bytes)) >= u.partNumbersLeft():
		return copyRange{}, fmt.Errorf("%d bytes are copied, which leaves no part numbers: %w", r.bytes, syscall.EFBIG)
	}
	return r, nil
}

// partNumbersLeft returns how many more parts there may be.
func (u *upload) partNumbersLeft() int {
	n := u.receiving.plan.maxParts - u.sending.uploadedParts()
	if u.sending.pendingCopy != nil {
		n -= len(u.fs.copySpans(u.sending.pendingCopy.bytes))
	}
	return n
}

// copySourceOf returns the version of an object from which a copy is made.
func (u *upload) copySourceOf(c *proxy.Copy) (o object, err error) {
	switch {
	case u.resuming.resumed:
		return object{}, fmt.Errorf("a copy behind what was resumed: %w", errors.ErrUnsupported)
	case c.From != "":
		o, err = u.otherSource(c)
	case u.publishing.base != nil:
		o = object{key: u.key, size: u.publishing.base.size(), etag: unquote(u.publishing.base.head.ETag), head: u.publishing.base.head}
	case u.publishing.baseMissing:
		o = object{key: u.key} // there is none
	default:
		return object{}, fmt.Errorf("a copy of %q, whose version was not given: %w", u.key, errors.ErrUnsupported)
	}
	if err == nil && c.ETag != "" && !sameETag(c.ETag, o.etag) {
		err = fmt.Errorf("%w: %q has the ETag %s, not %s", proxy.ErrStale, o.key, o.etag, c.ETag)
	}
	return o, err
}

// otherSource returns an object that is not the one to be replaced, as it was when the upload first copied from it.
func (u *upload) otherSource(c *proxy.Copy) (object, error) {
	key, err := u.fs.fileKey(c.From)
	if err != nil {
		return object{}, err
	}
	if o, ok := u.receiving.copySources[key]; ok {
		return o, nil
	}
	is, err := u.fs.head(u.ctx, key)
	switch {
	case c.ETag != "" && errors.Is(err, fs.ErrNotExist):
		return object{}, fmt.Errorf("%w: %v", proxy.ErrStale, err)
	case err != nil:
		return object{}, u.failureCause(fmt.Errorf("the source %q of a copy: %w", key, err))
	}
	if u.receiving.copySources == nil {
		u.receiving.copySources = make(map[string]object)
	}
	u.receiving.copySources[key] = object{key: key, size: is.size, etag: is.etag, head: is.head}
	return u.receiving.copySources[key], nil
}

// appendRange makes a range what follows in the content, behind part p, and returns the part that goes on. A range is read where
// that is up to 5 MiB, not counting what a part that is shorter needs to become one of 5 MiB.
func (u *upload) appendRange(p *part, r copyRange) (*part, error) {
	border := int64(0)
	if p.size > 0 {
		border = max(minPart-p.size, 0)
	}
	if r.bytes-border <= minPart {
		return u.readRange(p, r)
	}
	if u.sending.hasChecksums {
		return p, fmt.Errorf("a copy of %d bytes behind parts that were sent with checksums: %w", r.bytes, errors.ErrUnsupported)
	}
	u.setNotResumable()
	u.sending.forCopies = true
	var err error
	if border > 0 {
		if p, err = u.readRange(p, r.takeFirst(border)); err != nil {
			return p, err
		}
	}
	switch {
	case p.size > 0:
		p, err = u.nextPart(p)
	case u.sending.pendingCopy != nil:
		err = u.prepareForPart()
	}
	if err != nil {
		return p, err
	}
	r = r.dropFirst(border)
	u.sending.pendingCopy = &r
	return p, nil
}

// readRange reads a range into part p, and into others if it becomes full. It returns the last of them.
func (u *upload) readRange(p *part, r copyRange) (*part, error) {
	if r.bytes == 0 {
		return p, nil
	}
	u.setNotResumable()
	v := &version{fs: u.fs, key: r.key, etag: aws.ToString(r.head.ETag), size: r.size}
	s := &stream{version: v, ctx: u.ctx, at: r.offset, end: r.offset + r.bytes, sdkRetries: true}
	defer s.close()
	for {
		err := p.fill(u.ctx, s, u.fs.stall)
		switch {
		case s.at == s.end && (err == errFull || err == io.EOF):
			return p, nil
		case err != errFull:
			return p, u.failureCause(fmt.Errorf("reading what is copied: %w", r.copyError(err)))
		}
		if p, err = u.nextPart(p); err != nil {
			return nil, err
		}
	}
}

// failureCause returns why the upload has failed, if it has while it did what failed with err.
func (u *upload) failureCause(err error) error { return cmp.Or(context.Cause(u.ctx), err) }

// setNotResumable notes that nothing of the upload can be resumed, as not all of it came from its client.
func (u *upload) setNotResumable() {
	u.resuming.resumable = false
	u.resuming.releaseRetained()
}

// A partCopy is a range that S3 copies as parts of an upload.
type partCopy struct {
	first int // of the parts, among all
	await func() ([]types.CompletedPart, error)
}

// startCopy has S3 copy the pending range, if there is one, while what follows is received.
func (u *upload) startCopy() {
	if u.sending.pendingCopy == nil {
		return
	}
	r := *u.sending.pendingCopy
	u.sending.pendingCopy = nil
	spans := u.fs.copySpans(r.bytes)
	c := partCopy{first: len(u.sending.parts)}
	for i := range spans {
		u.sending.parts = append(u.sending.parts, sentPart{size: spans[i].size()})
		spans[i].first += r.offset
		spans[i].last += r.offset
	}
	u.sending.size += r.bytes
	u.sending.copiedParts += len(spans)
	u.sending.copiedSize += r.bytes
	u.receiving.plan.maxParts -= len(spans)
	if u.sending.copySlots == nil {
		u.sending.copySlots = make(chan struct{}, maxConcurrentCopies)
	}
	to, first := multipartUpload{u.key, u.sending.id}, u.sending.partNumber(c.first)
	c.await = async(func() ([]types.CompletedPart, error) {
		parts, err := u.fs.copyParts(u.ctx, to, r.object, first, spans, u.sending.copySlots)
		if err != nil {
			err = r.copyError(err)
			u.fail(err)
		}
		return parts, err
	})
	u.sending.copies = append(u.sending.copies, c)
}

// awaitCopies waits for the parts that S3 copies.
func (u *upload) awaitCopies() (err error) {
	for _, c := range u.sending.copies {
		parts, failed := c.await()
		err = cmp.Or(err, failed)
		for i, p := range parts {
			u.sending.parts[c.first+i].etag = p.ETag
		}
	}
	u.sending.copies = nil
	return err
}
