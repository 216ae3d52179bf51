package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Write says how a Put begins. The zero value replaces what is there, with a content of unknown length.
type Write = struct {
	Offset int64 // where the first byte goes; the bytes before it are kept
	Append bool  // begin at the end, wherever that is
	New    bool  // the name must be free, else fs.ErrExist
	Size   int64 // bytes to come, as announced; 0 = unknown
}

// publishing is the longest that S3 may take to make a content an object, with all repetitions of the request.
const publishing = 15 * time.Minute

// Put makes r, read to io.EOF, the content of the file. When it returns nil, S3 has confirmed the whole.
//
// Any other error from r is returned, and so are S3's; the file is then what it was before. An upload for which no
// memory comes free within Options.Stall is syscall.ENOBUFS, one longer than S3 takes in the parts that memory
// allows syscall.EFBIG. Writing at an offset or at the end is errors.ErrUnsupported.
//
// When ctx ends before r does, nothing is published; afterwards it no longer counts.
func (f *FS) Put(ctx context.Context, name string, r io.Reader, w Write) error {
	if w.Offset != 0 || w.Append {
		return wrap("put", name, fmt.Errorf("to keep what is there: %w", errors.ErrUnsupported))
	}
	key, err := f.file(name)
	if err != nil {
		return wrap("put", name, err)
	}
	return wrap("put", name, f.put(ctx, key, r, w))
}

func (f *FS) put(ctx context.Context, key string, r io.Reader, w Write) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	plan := f.plan(w.Size)
	if w.Size > 0 && w.Size > plan.capacity() {
		return fmt.Errorf("%d bytes announced, %d possible: %w", w.Size, plan.capacity(), syscall.EFBIG)
	}
	u := f.upload(ctx, key, plan, w.New)
	if h, ok := r.(interface{ Hold() func() error }); ok {
		u.order = sync.OnceValue(h.Hold())
	}
	first := u.part()
	err := u.peek(r) // before any memory: nobody has to wait for it to hear that an upload may begin
	if err == nil {
		err = u.fill(first, r)
	}
	first.seal()
	if err == errFull {
		err = u.peek(r)
	}
	switch err {
	case io.EOF:
		defer first.free()
		return u.whole(first)
	case nil:
		return u.multipart(first, r)
	}
	first.free()
	return err
}

// whole sends the only part of a content as an object. The last byte waits for the order to publish, and goes out only
// with it: without, the request breaks off, and S3 has nothing.
func (u *upload) whole(p *part) error {
	ctx, cancel, err := u.publish()
	if err != nil {
		return err
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
	if p.size == 0 && order() != nil {
		return *refused.Load()
	}
	err = u.client.checked(func(a algorithm) error {
		in := &s3.PutObjectInput{
			Bucket:        &u.bucket,
			Key:           &u.key,
			Body:          &content{part: p, order: order},
			ContentLength: &p.size,
			ContentType:   contentType(u.key),
		}
		if u.mustBeNew {
			in.IfNoneMatch = aws.String("*")
		}
		p.sum(a).set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		_, err := u.api.PutObject(ctx, in)
		return err
	})
	if void := refused.Load(); void != nil {
		return *void
	}
	return u.judge(err)
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
	if u.mustBeNew && precondition(err) {
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return err
}
