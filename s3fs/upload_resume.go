package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// resumeTries is how often resuming is tried while the upload is listed but has ended.
const resumeTries = 3

// resumeOrAppend prepares an upload that keeps a prefix of the content that is stored: of a resumable upload, or of
// the object. It retries if the resumable upload ends at the same moment, which may have made it the object. Some
// services also list an upload for a while after its end.
func (f *FS) resumeOrAppend(ctx context.Context, key string, w proxy.Write, keep keepLength) (*upload, error) {
	for i := 1; ; i++ {
		u, err := f.tryResumeOrAppend(ctx, key, w, keep)
		if !isNoSuchUpload(err) {
			return u, err
		}
		if i == resumeTries {
			return nil, fmt.Errorf("%w: %w", errBusy, err)
		}
		if err := pause(ctx, conflictPause<<i, err); err != nil {
			return nil, err
		}
	}
}

// tryResumeOrAppend is resumeOrAppend without retries.
//
// A resumable upload that is newer than the object takes precedence: up to the offset, the object may have other
// bytes than the client has sent. Even an append after SIZE refers to the upload, because many clients resume in this
// way.
func (f *FS) tryResumeOrAppend(ctx context.Context, key string, w proxy.Write, keep keepLength) (*upload, error) {
	find := async(func() (*resumableUpload, error) {
		if keep.isAll() && w.Base == "" {
			return nil, nil
		}
		return f.findResumable(ctx, key)
	})
	current, err := f.head(ctx, key)
	b, findErr := find()
	newer := b != nil && (err != nil || !b.initiated.Before(aws.ToTime(current.head.LastModified)))
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case findErr != nil:
		return nil, findErr
	case missing && keep.isAll():
		return f.appendToMissing(ctx, key, w)
	case missing && b == nil:
		return nil, offsetError(0)
	case err != nil && !missing:
		return nil, err
	case newer && (keep.isAll() || w.Base != "" && w.Base != b.id):
		return nil, offsetError(b.size)
	case newer:
		return f.resumeAt(ctx, key, w, int64(keep), b)
	case w.Base != "" && !keep.isAll() && !sameETag(w.Base, current.etag): // the object was replaced, or the upload has become the object
		return nil, offsetError(current.size)
	}
	return f.appendTo(ctx, key, w, keep, current)
}

// resumeAt prepares an upload that resumes another one at an offset, which must be the end of one of its parts. If a
// session still runs that upload, it loses it: a session of this process at once, one of another process at its next
// look at the lease.
func (f *FS) resumeAt(ctx context.Context, key string, w proxy.Write, offset int64, b *resumableUpload) (*upload, error) {
	if b.partsUpTo(offset) < 0 {
		return nil, offsetError(b.size)
	}
	o := f.client.uploads.ownerOf(b.id)
	if o != nil {
		if err := o.takeOver(ctx); err != nil {
			return nil, err
		}
	}
	u, err := f.newUpload(ctx, key, w, offset)
	if err != nil {
		return nil, err
	}
	u.sending.id, u.resuming.resumed = b.id, true
	if u.receiving.algorithm = b.parts[0].sum.algorithm; u.receiving.algorithm == md5Sum {
		u.receiving.algorithm = f.plainPartAlgorithm()
	}
	u.sending.algorithm = u.receiving.algorithm
	if o != nil { // it may have changed the parts
		_, err = u.refreshParts(b)
	}
	n := 0
	if err == nil {
		n, err = u.takeOverLease(b, offset)
	}
	if err != nil {
		u.close()
		return nil, err
	}
	u.sending.parts, u.sending.size = b.parts[:n], offset
	if u.receiving.plan.uniform {
		u.receiving.plan.minSize = u.sending.parts[0].size
	}
	u.fs.client.uploads.register(u.sending.id, &u.resuming.owner)
	f.log.InfoContext(ctx, "resuming an upload", "key", key, "upload", b.id, "bytes", offset)
	return u, nil
}

// takeOverLease overwrites the lease of the multipart upload, so that other processes know that they have lost it. It
// returns how many of the parts end at offset.
func (u *upload) takeOverLease(b *resumableUpload, offset int64) (n int, err error) {
	if n = b.partsUpTo(offset); n < 0 {
		return 0, offsetError(b.size)
	}
	if err := u.renewLease(b.parts[:n]); err != nil {
		return 0, err
	}
	l, err := u.refreshParts(b)
	if err != nil {
		return 0, err
	}
	if !u.resuming.lease.matches(l) {
		return 0, errTakenOver
	}
	if n = b.partsUpTo(offset); n < 0 {
		return 0, offsetError(b.size)
	}
	return n, nil
}

// refreshParts updates b with the parts that S3 has now, and returns the lease part.
func (u *upload) refreshParts(b *resumableUpload) (*types.Part, error) {
	parts, err := u.fs.listParts(u.ctx, u.key, u.sending.id)
	if err != nil {
		return nil, err
	}
	u.fs.setResumableParts(b, parts)
	l, _ := u.fs.splitLease(parts)
	return l, nil
}

// partsUpTo returns how many of the first parts have offset bytes together, or -1 if no part ends there.
func (b *resumableUpload) partsUpTo(offset int64) int {
	for i, p := range b.parts {
		if offset -= p.size; offset <= 0 {
			if offset == 0 {
				return i + 1
			}
			return -1
		}
	}
	return -1
}

// A resumableUpload is a multipart upload of s3fs that was not completed. Any process with access to the bucket can
// resume it: S3 has all of its state.
type resumableUpload struct {
	id        string
	initiated time.Time
	parts     []sentPart // the first ones, without a gap, each at least minPart long
	size      int64      // of these
}

// findResumable returns the newest resumable upload to a key, or nil. It aborts those that are too old.
func (f *FS) findResumable(ctx context.Context, key string) (*resumableUpload, error) {
	f.client.uploads.awaitCleanUps(ctx, f.bucketKey(key))
	open, err := f.listUploadsTo(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, o := range open {
		b, err := f.asResumable(ctx, key, o)
		if b != nil || err != nil {
			return b, err
		}
	}
	return nil, nil
}

// asResumable returns an open multipart upload if it is one of s3fs and can be resumed, otherwise nil. It aborts an
// upload of s3fs that is too old.
func (f *FS) asResumable(ctx context.Context, key string, o types.MultipartUpload) (*resumableUpload, error) {
	parts, err := f.listParts(ctx, key, aws.ToString(o.UploadId))
	if err != nil || !f.isOurs(parts) && !isLegacy(parts) {
		if isNoSuchUpload(err) || !f.listsUploads() {
			err = nil
		}
		return nil, err
	}
	b := &resumableUpload{id: aws.ToString(o.UploadId), initiated: aws.ToTime(o.Initiated)}
	last := b.initiated
	for _, p := range parts {
		if t := aws.ToTime(p.LastModified); t.After(last) {
			last = t
		}
	}
	if !last.IsZero() && time.Since(last) > f.resume && f.client.uploads.ownerOf(b.id) == nil {
		f.log.InfoContext(ctx, "aborting an expired resumable upload", "key", key, "upload", b.id, "begun", b.initiated)
		f.cleanUp(ctx, key, func(ctx context.Context) { f.abortUploadWithin(ctx, multipartUpload{key, b.id}) })
		return nil, nil
	}
	f.setResumableParts(b, parts)
	if b.size == 0 {
		return nil, nil
	}
	return b, nil
}

// setResumableParts sets the parts from which b can be resumed. It leaves out a last part that is exactly minPart
// long and shorter than the first: sendLast may have cut the last byte of the whole content from it, and resuming
// needs that part again.
func (f *FS) setResumableParts(b *resumableUpload, parts []types.Part) {
	b.parts, b.size = nil, 0
	l, parts := f.splitLease(parts)
	if l == nil {
		return
	}
	parts = coveredParts(l, b.id, parts)
	for i, p := range parts {
		size := aws.ToInt64(p.Size)
		if int(aws.ToInt32(p.PartNumber)) != i+1 || size < minPart || f.uniform && size != aws.ToInt64(parts[0].Size) {
			return
		}
		if i > 0 && i == len(parts)-1 && size == minPart && size < aws.ToInt64(parts[0].Size) {
			return
		}
		b.parts = append(b.parts, sentPart{size: size, etag: p.ETag, sum: partChecksum(p)})
		b.size += size
	}
}

// offsetError says that the stored content, of a resumable upload or an object, has size bytes.
func offsetError(size int64) error {
	return &proxy.OffsetError{Offset: size, Err: fmt.Errorf("the offset must be %d, the stored size: %w", size, syscall.ESPIPE)}
}
