package s3fs

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// putSingle sends the only part of an upload as an object. The last byte waits for the commit, and then for the lock
// of the name. If either fails, the request is broken off before the last byte, and S3 stores nothing. A request with
// a condition is sent only after both.
func (u *upload) putSingle(p *part) error {
	defer u.publishing.lock.release()
	ctx, cancel, err := u.startPublishing()
	if err != nil {
		return u.suspendSingle(p, err)
	}
	defer cancel()
	var refused atomic.Pointer[error]
	commit := func() error {
		err := u.commitAndLock(ctx)
		if err != nil {
			refused.Store(&err)
			cancel() // so that the request is not retried
		}
		return err
	}
	var t attemptCount
	// On a conditional PutObject, MinIO locks the object until it has received the last byte.
	commitFirst := p.size == 0 || u.publishing.condition() != condition{}
	if !commitFirst || commit() == nil {
		err = u.putObject(ctx, p, commit, countAttempts(&t))
	}
	if refusal := refused.Load(); refusal != nil {
		return u.suspendSingle(p, u.publishing.publishError(*refusal))
	}
	defer p.free()
	if isAmbiguous(err, t) && u.wasStored(ctx, p.expected(u.receiving.algorithm)) {
		u.publishing.result.Size = p.size
		u.fs.log.WarnContext(ctx, "object stored, but not confirmed by S3", "key", u.key, "err", err)
		err = nil
	}
	if err == nil {
		u.fs.abortSuperseded(u.ctx, u.key, u.sending.id)
	}
	return u.publishing.publishError(err)
}

// suspendSingle ends an upload of one part that must not be published. If the part is long enough, the upload can be
// resumed from all of it but the last byte, see sendLast.
func (u *upload) suspendSingle(p *part, err error) error {
	if p.size > minPart {
		p.cutLastByte()
	} else {
		u.resuming.resumable = false
	}
	u.resuming.unsent = p
	return u.suspendOrAbort(err)
}

// putObject sends a part as an object.
func (u *upload) putObject(ctx context.Context, p *part, commit func() error, options func(*s3.Options)) error {
	return u.fs.client.withChecksum(func(a algorithm) error {
		in := &s3.PutObjectInput{
			Bucket:        &u.fs.bucket,
			Key:           &u.key,
			ContentLength: &p.size,
			ContentType:   contentType(u.key),
		}
		u.fs.attributes.applyToPut(in)
		if err := u.publishing.base.applyTo(u, in); err != nil {
			return err
		}
		in.Metadata = u.fs.addProvenance(ctx, in.Metadata)
		if mtime := u.publishing.attributes().ModTime; !mtime.IsZero() {
			if in.Metadata == nil {
				in.Metadata = make(map[string]string)
			}
			in.Metadata["mtime"] = formatMtime(mtime)
		}
		p.sum(a).set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		return u.withBaseStorageClass(in.StorageClass, func(class types.StorageClass) error {
			in.StorageClass = class
			return u.fs.conditionally(ctx, putObject, u.key, u.publishing.condition(), func(cond condition) error {
				in.IfMatch, in.IfNoneMatch, in.Body = cond.match, cond.noneMatch, &partReader{part: p, commit: commit}
				out, err := u.fs.api.PutObject(s3http.WithRunning(ctx), in, options)
				if err == nil {
					u.publishing.result.setObject(p.size, out.ETag, out.VersionId, checksums{out.ChecksumCRC32C, out.ChecksumCRC32, out.ChecksumSHA256})
				}
				return err
			})
		})
	})
}
