package s3fs

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// publishing is the part of an upload that makes the content an object.
type publishing struct {
	commit      func() error // Source.Commit, called once
	lock        nameLock     // of the name, held while the upload is published
	watch       *nameWatch   // of the key, where the upload is published on a condition; nil = on none
	mustBeNew   bool
	baseMissing bool  // an append to an object that was not there
	base        *base // the object that is replaced by one like it; nil = it may be any, or none
	attributes  func() proxy.Attributes
	result      putResult // what has become of it
}

// publishTimeout is the longest that S3 may take to make a content an object, with all repetitions of the request.
const publishTimeout = 15 * time.Minute

// commitAndLock waits for the commit, then for the lock of the name. It does not wait for that as long as others do, because S3 is
// waiting for the last byte meanwhile.
func (u *upload) commitAndLock(ctx context.Context) error {
	if err := u.publishing.commit(); err != nil {
		return err
	}
	return u.publishing.lock.acquireWithin(ctx, u.fs.client.timeout/2)
}

// checkCondition looks at the object if another operation of this process has changed it since the upload began. S3 compares it too where it
// knows the condition, but some services ignore it.
func (u *upload) checkCondition(ctx context.Context) error {
	if !u.publishing.watch.sawWrite(u.fs.bucketKey(u.key)) {
		return nil
	}
	return u.fs.checkCondition(ctx, u.key, u.publishing.condition())
}

// startPublishing returns the context for the request that publishes.
func (u *upload) startPublishing() (context.Context, context.CancelFunc, error) {
	if err := context.Cause(u.ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := publishContext(u.ctx)
	return ctx, cancel, nil
}

// publishContext returns a context for a request that publishes. It outlasts the caller's: a request that S3 has
// received in full cannot be taken back, and only its answer tells what became of it.
func publishContext(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := withGrace(ctx, cancelGrace)
	ctx, stop := context.WithTimeout(longer, publishTimeout)
	return ctx, func() {
		stop()
		cancel()
	}
}

// publishError names the error of a request that publishes.
func (p *publishing) publishError(err error) error {
	switch {
	case p.mustBeNew && precondition(err):
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	case p.base != nil && changed(err), p.baseMissing && precondition(err):
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	return err
}

// condition returns the condition on which an upload may be published: that its name is free, or that the object of which it
// retains the beginning has not changed.
func (p *publishing) condition() (only condition) {
	if p.mustBeNew || p.baseMissing {
		only = ifAbsent
	}
	if p.base != nil {
		only.match = p.base.head.ETag
	}
	return only
}

// maxSetTimeSize is the size up to which an object that was uploaded in parts is copied to set its time, in bytes.
const maxSetTimeSize = 1 << 30

// putResult describes the object that an upload has made.
type putResult struct {
	proxy.Stored
	timeUnset bool // the source has named a modification time, which the object does not have yet
}

// checksums are those of an answer, CRC32C, CRC32 and SHA-256, as far as it has them.
type checksums [3]*string

// setObject notes S3's answer to the request that has published the object.
func (p *putResult) setObject(size int64, etag, version *string, sums checksums) {
	p.Size, p.ETag, p.Version = size, unquote(etag), aws.ToString(version)
	for i, algorithm := range []string{"CRC32C", "CRC32", "SHA256"} {
		if sums[i] != nil {
			p.Checksum = algorithm + ":" + *sums[i]
			return
		}
	}
}

// setCompleted is as for the answer to CompleteMultipartUpload.
func (p *putResult) setCompleted(want expectedObject, out *s3.CompleteMultipartUploadOutput) {
	etag := out.ETag
	if len(unquote(etag)) < minETagLength { // which tells nothing
		etag = &want.etag
	}
	p.setObject(want.size, etag, out.VersionId, checksums{out.ChecksumCRC32C, out.ChecksumCRC32, out.ChecksumSHA256})
}

// setUnchanged notes that the object stays as it is.
func (p *putResult) setUnchanged(is *s3.HeadObjectOutput) {
	p.Size, p.ETag, p.Version = aws.ToInt64(is.ContentLength), unquote(is.ETag), aws.ToString(is.VersionId)
}

// storedAt begins the description of a change of a key.
func (f *FS) storedAt(key string) proxy.Stored { return proxy.Stored{Bucket: f.bucket, Key: key} }

// setTimeOfUpload sets the modification time of an object that was uploaded in parts, which is a copy of it. The upload has
// succeeded whether this works or not: a failure is only logged.
func (f *FS) setTimeOfUpload(ctx context.Context, made proxy.Stored, mtime time.Time) proxy.Stored {
	if made.Size > maxSetTimeSize {
		f.log.WarnContext(ctx, "the time of an upload is not set, copying its object takes too long", "key", made.Key, "bytes", made.Size)
		return made
	}
	if made.ETag == "" {
		f.log.WarnContext(ctx, "the time of an upload is not set, S3 has not confirmed its ETag", "key", made.Key)
		return made
	}
	timed, err := f.setTime(ctx, made.Key, mtime, made.ETag)
	if err != nil {
		f.log.WarnContext(ctx, "the time of an upload is not set", "key", made.Key, "err", err)
		return made
	}
	made.ETag, made.Version = timed.ETag, timed.Version
	return made
}
