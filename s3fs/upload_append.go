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

// An append, or any upload that keeps ranges of objects, runs through these steps: prepare looks at the stored object
// (resumeOrAppend, appendTo), receive reads the runs of the source, appendRange reads short ranges into parts and has
// S3 copy long ones (startCopy), createMultipart creates the multipart upload, and complete publishes it on the
// condition that the base is unchanged.

// A base is the object that an upload replaces and of which it keeps ranges. The object stays until the upload is
// published, and nothing is published if it changes meanwhile. Such an upload has no lease part, so that after the
// death of the process its parts are not taken for the beginning of a file.
type base struct{ head *s3.HeadObjectOutput }

func (b *base) size() int64 { return aws.ToInt64(b.head.ContentLength) }

// keepLength is how many bytes of the stored content an upload keeps before its new bytes; negative = the whole
// object.
type keepLength int64

func (k keepLength) isAll() bool { return k < 0 }

// appendTo prepares an upload that keeps a prefix of an object.
func (f *FS) appendTo(ctx context.Context, key string, w proxy.Write, keep keepLength, current *info) (*upload, error) {
	kept := int64(keep)
	if keep.isAll() {
		kept = current.size
	}
	if kept > minPart {
		kept = 0 // copied by S3
	}
	u, err := f.replaceObject(ctx, key, w, kept, current)
	if err != nil {
		return nil, err
	}
	u.sending.forCopies = current.size > minPart && int64(keep) < current.size && !keep.isAll() // a later run may copy more of it
	if _, err := u.resolveCopy(&proxy.Copy{Length: int64(keep)}); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// replaceKeepingRanges prepares an upload that keeps ranges of an object but does not begin with one of them. The
// object must have the ETag w.Base, if that is given.
func (f *FS) replaceKeepingRanges(ctx context.Context, key string, w proxy.Write) (*upload, error) {
	current, err := f.head(ctx, key)
	switch {
	case w.Base != "" && errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %v", proxy.ErrStale, err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, offsetError(0)
	case err != nil:
		return nil, err
	case w.Base != "" && !sameETag(w.Base, current.etag):
		return nil, fmt.Errorf("%w: %q has the ETag %s, not %s", proxy.ErrStale, key, current.etag, w.Base)
	}
	u, err := f.replaceObject(ctx, key, w, 0, current)
	if err == nil {
		u.sending.forCopies = current.size > minPart
	}
	return u, err
}

// replaceObject prepares an upload that replaces an object, with the same metadata. To plan the parts, the size
// announced by the client is taken to follow after kept bytes of the object.
func (f *FS) replaceObject(ctx context.Context, key string, w proxy.Write, kept int64, current *info) (*upload, error) {
	if w.New {
		return nil, fs.ErrExist
	}
	u, err := f.newUpload(ctx, key, w, kept)
	if err == nil {
		if w.Found != nil {
			w.Found(current.entry())
		}
		u.publishing.base = &base{current.head}
		u.resuming.resumable = false // SIZE would tell the size of the object, not that of the upload
	}
	return u, err
}

// appendToMissing prepares an append to an object that does not exist. It is published only if there is still no
// object: the bytes that another client has appended meanwhile must not be lost.
func (f *FS) appendToMissing(ctx context.Context, key string, w proxy.Write) (*upload, error) {
	u, err := f.newUpload(ctx, key, w, 0)
	if err == nil {
		u.publishing.baseMissing = true
	}
	return u, err
}

// createInput returns a request to create a multipart upload with the metadata of the object, except its time.
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

// applyTo gives a PutObject the metadata of the object, except its time.
func (b *base) applyTo(u *upload, in *s3.PutObjectInput) error {
	if b == nil {
		return nil
	}
	like, err := b.createInput(u)
	if err != nil {
		return err
	}
	in.ContentType, in.CacheControl, in.ContentDisposition = like.ContentType, like.CacheControl, like.ContentDisposition
	in.ContentEncoding, in.ContentLanguage, in.Expires = like.ContentEncoding, like.ContentLanguage, like.Expires
	in.Metadata, in.Tagging, in.StorageClass = like.Metadata, like.Tagging, like.StorageClass
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = like.ServerSideEncryption, like.SSEKMSKeyId, like.BucketKeyEnabled
	in.WebsiteRedirectLocation = like.WebsiteRedirectLocation
	return nil
}

// withBaseStorageClass runs send with a storage class. If the upload takes that class from its base, send may run
// again without it, see withStorageClass.
func (u *upload) withBaseStorageClass(class types.StorageClass, send func(types.StorageClass) error) error {
	if u.publishing.base == nil {
		return send(class)
	}
	return u.fs.withStorageClass(class, send)
}

// A copyRange is a range of an object that becomes part of an upload's content. S3 copies it. Only up to 5 MiB at
// each end are read and sent again, because S3 accepts shorter parts only at the end of an upload.
type copyRange struct {
	object             // in the version to copy from
	base          bool // the object is the upload's base
	offset, bytes int64
}

// takeFirst returns the first n bytes of the range.
func (r copyRange) takeFirst(n int64) copyRange {
	r.bytes = n
	return r
}

// dropFirst returns the range without its first n bytes.
func (r copyRange) dropFirst(n int64) copyRange {
	r.offset += n
	r.bytes -= n
	return r
}

// copyError translates the error of a request for the range. If the object has changed, it is errBusy for the base,
// because the client can retry, and proxy.ErrStale for another object.
func (r copyRange) copyError(err error) error {
	switch {
	case !isObjectChanged(err) && !errors.Is(err, proxy.ErrStale):
		return err
	case r.base:
		return fmt.Errorf("%w: %v", errBusy, err)
	}
	return fmt.Errorf("%w: %q: %v", proxy.ErrStale, r.key, err)
}

// resolveCopy finds the object of a copy, and checks that its range exists and can be copied.
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
			Offset: o.size, Err: fmt.Errorf("copying %d bytes at offset %d of %q, which has %d: %w", r.bytes, r.offset, o.key, o.size, syscall.ESPIPE),
		}
	case u.fs.uniform && r.bytes > minPart:
		return copyRange{}, fmt.Errorf("copied parts would differ in size from the others: %w", proxy.ErrNoCopy)
	case r.bytes > minPart && len(u.fs.copySpans(r.bytes)) >= u.partNumbersLeft():
		return copyRange{}, fmt.Errorf("copying %d bytes takes more part numbers than are left: %w", r.bytes, syscall.EFBIG)
	}
	return r, nil
}

// partNumbersLeft returns how many more parts the upload can have.
func (u *upload) partNumbersLeft() int {
	n := u.receiving.plan.maxParts - u.sending.uploadedParts()
	if u.sending.pendingCopy != nil {
		n -= len(u.fs.copySpans(u.sending.pendingCopy.bytes))
	}
	return n
}

// copySourceOf returns the object, in the version to copy from, of a copy.
func (u *upload) copySourceOf(c *proxy.Copy) (o object, err error) {
	switch {
	case u.resuming.resumed:
		return object{}, fmt.Errorf("copying into a resumed upload: %w", errors.ErrUnsupported)
	case c.From != "":
		o, err = u.otherSource(c)
	case u.publishing.base != nil:
		o = object{key: u.key, size: u.publishing.base.size(), etag: unquote(u.publishing.base.head.ETag), head: u.publishing.base.head}
	case u.publishing.baseMissing:
		o = object{key: u.key} // it does not exist
	default:
		return object{}, fmt.Errorf("copying from %q without the ETag of its version: %w", u.key, errors.ErrUnsupported)
	}
	if err == nil && c.ETag != "" && !sameETag(c.ETag, o.etag) {
		err = fmt.Errorf("%w: %q has the ETag %s, not %s", proxy.ErrStale, o.key, o.etag, c.ETag)
	}
	return o, err
}

// otherSource returns an object other than the base, in the version from which the upload first copied.
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
		return object{}, u.failureCause(fmt.Errorf("looking up the copy source %q: %w", key, err))
	}
	if u.receiving.copySources == nil {
		u.receiving.copySources = make(map[string]object)
	}
	u.receiving.copySources[key] = object{key: key, size: is.size, etag: is.etag, head: is.head}
	return u.receiving.copySources[key], nil
}

// appendRange adds a range to the content, after part p, and returns the part to continue with. A range of up to 5
// MiB is read; of a longer one, only the bytes that a shorter p needs to reach 5 MiB. After parts with checksums, which
// copied parts do not have, all of it is read.
func (u *upload) appendRange(p *part, r copyRange) (*part, error) {
	missing := int64(0) // bytes that p needs to be a part
	if p.size > 0 {
		missing = max(minPart-p.size, 0)
	}
	if r.bytes-missing <= minPart || u.sending.hasChecksums {
		return u.readRange(p, r)
	}
	u.setNotResumable()
	u.sending.forCopies = true
	var err error
	if missing > 0 {
		if p, err = u.readRange(p, r.takeFirst(missing)); err != nil {
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
	u.receiving.kept.close() // the next range to read is far away
	r = r.dropFirst(missing)
	u.sending.pendingCopy = &r
	return p, nil
}

// readRange reads a range into part p, and into new parts whenever one is full. It returns the last of them.
func (u *upload) readRange(p *part, r copyRange) (*part, error) {
	if r.bytes == 0 {
		return p, nil
	}
	u.setNotResumable()
	kept := &u.receiving.kept
	err := kept.start(u, r)
	for {
		if err == nil {
			err = p.fill(u.ctx, kept, u.fs.stall)
		}
		switch {
		case kept.stream.at == kept.until && (err == errFull || err == io.EOF):
			return p, nil
		case err != errFull:
			return p, u.failureCause(fmt.Errorf("reading the range to copy: %w", r.copyError(err)))
		}
		if p, err = u.nextPart(p); err != nil {
			return nil, err
		}
	}
}

// failureCause returns the error that ended the upload's context, or err if none has.
func (u *upload) failureCause(err error) error { return cmp.Or(context.Cause(u.ctx), err) }

// setNotResumable notes that the upload cannot be resumed, because not all of its content comes from the client.
func (u *upload) setNotResumable() {
	u.resuming.resumable = false
	u.resuming.releaseRetained()
}

// A partCopy is a range that S3 copies as parts of an upload.
type partCopy struct {
	first int // index of its first part
	await func() ([]types.CompletedPart, error)
}

// startCopy starts copying the pending range inside S3, if any, while more content is received.
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
			if err = r.copyError(err); errors.Is(err, errors.ErrUnsupported) {
				err = fmt.Errorf("%w: %w", proxy.ErrNoCopy, err)
			}
			u.fail(err)
		}
		return parts, err
	})
	u.sending.copies = append(u.sending.copies, c)
}

// awaitCopies waits for the copies inside S3.
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
