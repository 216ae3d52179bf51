package s3fs

import (
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// whole sends the only part of a content as an object. The last byte waits for the order to publish, then for the lock of the name, and goes
// out only with both: without, the request breaks off, and S3 has nothing. A request with a condition waits for them as a whole.
func (u *upload) whole(p *part) error {
	defer u.lock.release()
	ctx, cancel, err := u.publish()
	if err != nil {
		return u.refused(p, err)
	}
	defer cancel()
	var refused atomic.Pointer[error]
	order := func() error {
		err := u.mayPublish(ctx)
		if err != nil {
			refused.Store(&err)
			cancel() // so that the request is not repeated
		}
		return err
	}
	var t tried
	first := p.size == 0 || u.only() != condition{} // MinIO locks an object on whose condition it is to put another, until it has the last byte
	if !first || order() == nil {
		err = u.object(ctx, p, order, counting(&t))
	}
	if void := refused.Load(); void != nil {
		return u.refused(p, u.judge(*void))
	}
	defer p.free()
	if unclear(err, t) && u.made(ctx, p.object(u.hot)) {
		u.published.Size = p.size
		u.log.WarnContext(ctx, "S3 did not confirm an object that it has stored", "key", u.key, "err", err)
		err = nil
	}
	if err == nil {
		u.abortLeft(u.ctx, u.key, u.id)
	}
	return u.judge(err)
}

// mayPublish waits for the order to publish, then for the lock of the name. It does not wait for that as long as others do, because S3 is
// waiting for the last byte meanwhile.
func (u *upload) mayPublish(ctx context.Context) error {
	if err := u.order(); err != nil {
		return err
	}
	return u.lock.takeWithin(ctx, u.client.timeout/2)
}

// conditionHolds looks at the object if another operation of this process has changed it since the upload began. S3 compares it too where it
// knows the condition, but some services ignore it.
func (u *upload) conditionHolds(ctx context.Context) error {
	if !u.watch.has(u.place(u.key)) {
		return nil
	}
	return u.holds(ctx, u.key, u.only())
}

// refused ends an upload of which all is in one part, and is not to be published. It can be resumed from all but its last
// byte, see last, if that is long enough.
func (u *upload) refused(p *part, err error) error {
	if p.size > minPart {
		p.cut()
	} else {
		u.resumable = false
	}
	u.rest = p
	return u.broke(err)
}

// object puts a part as an object.
func (u *upload) object(ctx context.Context, p *part, order func() error, options func(*s3.Options)) error {
	return u.client.checked(func(a algorithm) error {
		in := &s3.PutObjectInput{
			Bucket:        &u.bucket,
			Key:           &u.key,
			ContentLength: &p.size,
			ContentType:   contentType(u.key),
		}
		u.attributes.onPut(in)
		if err := u.base.put(u, in); err != nil {
			return err
		}
		if mtime := u.attrs().ModTime; !mtime.IsZero() {
			if in.Metadata == nil {
				in.Metadata = make(map[string]string)
			}
			in.Metadata["mtime"] = seconds(mtime)
		}
		p.sum(a).set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		return u.withBaseClass(in.StorageClass, func(class types.StorageClass) error {
			in.StorageClass = class
			return u.conditionally(ctx, putObject, u.key, u.only(), func(only condition) error {
				in.IfMatch, in.IfNoneMatch, in.Body = only.match, only.noneMatch, &content{part: p, order: order}
				out, err := u.api.PutObject(s3http.WithExpect(ctx), in, options)
				if err == nil {
					u.published.as(p.size, out.ETag, out.VersionId, checksums{out.ChecksumCRC32C, out.ChecksumCRC32, out.ChecksumSHA256})
				}
				return err
			})
		})
	})
}

// publish returns the context for the request that publishes.
func (u *upload) publish() (context.Context, context.CancelFunc, error) {
	if err := context.Cause(u.ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := publishContext(u.ctx)
	return ctx, cancel, nil
}

// publishContext returns a context for a request that publishes. It outlasts the caller's: a request that S3 has
// received in full cannot be taken back, and only its answer tells what became of it.
func publishContext(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := outlast(ctx, cleanup)
	ctx, stop := context.WithTimeout(longer, publishing)
	return ctx, func() {
		stop()
		cancel()
	}
}

// judge names the error of a request that publishes.
func (u *upload) judge(err error) error {
	switch {
	case u.mustBeNew && precondition(err):
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	case u.base != nil && changed(err), u.begins && precondition(err):
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	return err
}
