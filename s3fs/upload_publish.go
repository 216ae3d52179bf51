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

// publishing is the state of an upload that is needed to make its content an object.
type publishing struct {
	commit      func() error // Source.Commit, called once
	lock        nameLock     // held while the upload is published
	watch       *nameWatch   // of the key; nil = the upload is published unconditionally
	mustBeNew   bool         // Write.New
	baseMissing bool         // an append to an object that did not exist, and still must not
	base        *base        // the object to replace, which must be unchanged; nil = any or none
	attributes  func() proxy.Attributes
	result      putResult // of Put
}

// publishTimeout limits the request that publishes an object, with all of its retries.
const publishTimeout = 15 * time.Minute

// commitAndLock waits for the commit, then for the lock of the name. It waits for the lock only half as long as other
// operations, because S3 is waiting for the last byte.
func (u *upload) commitAndLock(ctx context.Context) error {
	if err := u.publishing.commit(); err != nil {
		return err
	}
	return u.publishing.lock.acquireWithin(ctx, u.fs.client.timeout/2)
}

// checkCondition checks the condition with HEAD if another operation of this process has written the key since the
// upload began. S3 checks it too, but some services ignore conditions.
func (u *upload) checkCondition(ctx context.Context) error {
	if !u.publishing.watch.sawWrite(u.fs.bucketKey(u.key)) {
		return nil
	}
	return u.fs.checkCondition(ctx, u.key, u.publishing.condition())
}

// startPublishing returns the context for the request that publishes, unless the upload was cancelled.
func (u *upload) startPublishing() (context.Context, context.CancelFunc, error) {
	if err := context.Cause(u.ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := publishContext(u.ctx)
	return ctx, cancel, nil
}

// publishContext returns a context for a request that publishes. It outlives ctx: a request that S3 has received in
// full cannot be cancelled, and only the answer tells its effect.
func publishContext(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := withGrace(ctx, cancelGrace)
	ctx, stop := context.WithTimeout(longer, publishTimeout)
	return ctx, func() {
		stop()
		cancel()
	}
}

// publishError translates the error of a request that publishes: a condition that does not hold is fs.ErrExist or
// errBusy.
func (p *publishing) publishError(err error) error {
	switch {
	case p.mustBeNew && isConditionFailed(err):
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	case p.base != nil && isObjectChanged(err), p.baseMissing && isConditionFailed(err):
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	return err
}

// condition returns the condition for publishing: that the name is free, or that the base is unchanged.
func (p *publishing) condition() (cond condition) {
	if p.mustBeNew || p.baseMissing {
		cond = ifAbsent
	}
	if p.base != nil {
		cond.match = p.base.head.ETag
	}
	return cond
}

// maxSetTimeSize is the size in bytes up to which a multipart object is copied onto itself to set its time.
const maxSetTimeSize = 1 << 30

// A putResult describes the object that an upload has made.
type putResult struct {
	proxy.Stored
	timeUnset bool // the object still lacks the modification time of the source
}

// checksums are CRC32C, CRC32 and SHA-256 of an answer; nil = not in the answer.
type checksums [3]*string

// setObject records S3's answer to the request that published the object.
func (p *putResult) setObject(size int64, etag, version *string, sums checksums) {
	p.Size, p.ETag, p.Version = size, unquote(etag), aws.ToString(version)
	for i, algorithm := range []string{"CRC32C", "CRC32", "SHA256"} {
		if sums[i] != nil {
			p.Checksum = algorithm + ":" + *sums[i]
			return
		}
	}
}

// setCompleted records the answer to CompleteMultipartUpload.
func (p *putResult) setCompleted(want expectedObject, out *s3.CompleteMultipartUploadOutput) {
	etag := out.ETag
	if len(unquote(etag)) < minETagLength { // too short to be an ETag
		etag = &want.etag
	}
	p.setObject(want.size, etag, out.VersionId, checksums{out.ChecksumCRC32C, out.ChecksumCRC32, out.ChecksumSHA256})
}

// setUnchanged records that the object was left as it is.
func (p *putResult) setUnchanged(is *s3.HeadObjectOutput) {
	p.Size, p.ETag, p.Version = aws.ToInt64(is.ContentLength), unquote(is.ETag), aws.ToString(is.VersionId)
}

// storedAt returns a Stored with the bucket and the key.
func (f *FS) storedAt(key string) proxy.Stored { return proxy.Stored{Bucket: f.bucket, Key: key} }

// setTimeOfUpload sets the modification time of a multipart object by copying it onto itself. It only logs errors,
// because the upload has succeeded.
func (f *FS) setTimeOfUpload(ctx context.Context, stored proxy.Stored, mtime time.Time) proxy.Stored {
	if stored.Size > maxSetTimeSize {
		f.log.WarnContext(ctx, "modification time of an upload not set, object too large to copy", "key", stored.Key, "bytes", stored.Size)
		return stored
	}
	if stored.ETag == "" {
		f.log.WarnContext(ctx, "modification time of an upload not set, S3 did not confirm its ETag", "key", stored.Key)
		return stored
	}
	timed, err := f.setTime(ctx, stored.Key, mtime, stored.ETag)
	if err != nil {
		f.log.WarnContext(ctx, "modification time of an upload not set", "key", stored.Key, "err", err)
		return stored
	}
	stored.ETag, stored.Version = timed.ETag, timed.Version
	return stored
}
