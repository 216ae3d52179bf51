package s3fs

import (
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// whole sends the only part of a content as an object. The last byte waits for the order to publish, and goes out only
// with it: without, the request breaks off, and S3 has nothing.
func (u *upload) whole(p *part) error {
	ctx, cancel, err := u.publish()
	if err != nil {
		return u.refused(p, err)
	}
	defer cancel()
	var refused atomic.Pointer[error]
	order := func() error {
		err := u.order()
		if err != nil {
			refused.Store(&err)
			cancel() // so that the request is not repeated
		}
		return err
	}
	times := 0
	if p.size > 0 || order() == nil {
		err = u.object(ctx, p, order, counting(&times))
	}
	if void := refused.Load(); void != nil {
		return u.refused(p, *void)
	}
	defer p.free()
	if unclear(err, times) && u.made(ctx, p.object(u.hot)) {
		u.log.Warn("S3 did not confirm an object that it has stored", "key", u.key, "err", err)
		err = nil
	}
	if err == nil {
		u.endOlder()
	}
	return u.judge(err)
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
	return u.checked(func(a algorithm) error {
		in := &s3.PutObjectInput{
			Bucket:        &u.bucket,
			Key:           &u.key,
			ContentLength: &p.size,
			ContentType:   contentType(u.key),
		}
		u.attributes.onPut(in)
		if u.mustBeNew {
			in.IfNoneMatch = aws.String("*")
		}
		if err := u.base.put(u, in); err != nil {
			return err
		}
		p.sum(a).set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		return u.base.conditionally(ctx, u, func(ifMatch *string) error {
			in.IfMatch, in.Body = ifMatch, &content{part: p, order: order}
			_, err := u.api.PutObject(handOver(ctx), in, options)
			return err
		})
	})
}

// publish returns the context for the request that publishes. It does not end with the caller's: a request that S3
// has received in full cannot be taken back, and only its answer tells what became of it.
func (u *upload) publish() (context.Context, context.CancelFunc, error) {
	if err := context.Cause(u.ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), publishing)
	return ctx, cancel, nil
}

// judge names the error of a request that publishes.
func (u *upload) judge(err error) error {
	switch {
	case u.mustBeNew && precondition(err):
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	case u.base != nil && precondition(err):
		return fmt.Errorf("%w: %w", syscall.ESTALE, err)
	}
	return err
}
