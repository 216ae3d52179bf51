package s3fs

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// putSingle sends the only part of a content as an object. The last byte waits for the commit, then for the lock of the name, and goes
// out only with both: without, the request breaks off, and S3 has nothing. A request with a condition waits for them as a whole.
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
			cancel() // so that the request is not repeated
		}
		return err
	}
	var t attemptCount
	first := p.size == 0 || u.publishing.condition() != condition{} // MinIO locks an object on whose condition it is to put another, until it has the last byte
	if !first || commit() == nil {
		err = u.putObject(ctx, p, commit, countAttempts(&t))
	}
	if void := refused.Load(); void != nil {
		return u.suspendSingle(p, u.publishing.publishError(*void))
	}
	defer p.free()
	if unclear(err, t) && u.wasStored(ctx, p.expected(u.receiving.algorithm)) {
		u.publishing.result.Size = p.size
		u.fs.log.WarnContext(ctx, "S3 did not confirm an object that it has stored", "key", u.key, "err", err)
		err = nil
	}
	if err == nil {
		u.fs.abortSuperseded(u.ctx, u.key, u.sending.id)
	}
	return u.publishing.publishError(err)
}

// suspendSingle ends an upload of which all is in one part, and is not to be published. It can be resumed from all but its last
// byte, see last, if that is long enough.
func (u *upload) suspendSingle(p *part, err error) error {
	if p.size > minPart {
		p.cutLastByte()
	} else {
		u.resuming.resumable = false
	}
	u.resuming.unsent = p
	return u.suspendOrAbort(err)
}

// putObject puts a part as an object.
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
		if mtime := u.publishing.attributes().ModTime; !mtime.IsZero() {
			if in.Metadata == nil {
				in.Metadata = make(map[string]string)
			}
			in.Metadata["mtime"] = formatMtime(mtime)
		}
		p.sum(a).set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		return u.withBaseStorageClass(in.StorageClass, func(class types.StorageClass) error {
			in.StorageClass = class
			return u.fs.conditionally(ctx, putObject, u.key, u.publishing.condition(), func(only condition) error {
				in.IfMatch, in.IfNoneMatch, in.Body = only.match, only.noneMatch, &partReader{part: p, commit: commit}
				out, err := u.fs.api.PutObject(s3http.WithExpect(ctx), in, options)
				if err == nil {
					u.publishing.result.setObject(p.size, out.ETag, out.VersionId, checksums{out.ChecksumCRC32C, out.ChecksumCRC32, out.ChecksumSHA256})
				}
				return err
			})
		})
	})
}
