package s3fs

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// goOn prepares an upload that keeps some of what is there: of a broken upload, or of the object.
//
// A broken upload that is newer than the object comes first, and has to be resumed where it stands: the bytes before an
// offset within the older object need not be those that the client means. Nor does a client want to append to the older
// object that has asked for its size: so clients do that resume.
func (f *FS) goOn(ctx context.Context, key string, w Write) (*upload, error) {
	find := later(func() (*broken, error) {
		if w.Append && w.Offset == 0 {
			return nil, nil
		}
		return f.broken(ctx, key)
	})
	there, err := f.head(ctx, key)
	b, brokenErr := find()
	newer := b != nil && (err != nil || !b.begun.Before(aws.ToTime(there.head.LastModified)))
	switch {
	case brokenErr != nil:
		return nil, brokenErr
	case errors.Is(err, fs.ErrNotExist) && w.Append:
		return f.upload(ctx, key, w, 0)
	case err != nil && (b == nil || !errors.Is(err, fs.ErrNotExist)):
		if errors.Is(err, fs.ErrNotExist) {
			err = standsAt(0, syscall.ESPIPE)
		}
		return nil, err
	case newer && w.Append:
		return nil, standsAt(b.size, syscall.ESPIPE)
	case newer:
		return f.takeUp(ctx, key, w, b)
	}
	if w.Broken { // what broke has become an object, of whoever
		return nil, standsAt(there.size, syscall.ESPIPE)
	}
	return f.appendTo(ctx, key, w, there)
}

// takeUp prepares an upload that resumes a broken one, at the end of any of its parts. A session that still holds it
// loses it: one of this process at once, one of another when it looks, which it does before it changes what is there.
func (f *FS) takeUp(ctx context.Context, key string, w Write, b *broken) (*upload, error) {
	if b.upTo(w.Offset) < 0 {
		return nil, standsAt(b.size, syscall.ESPIPE)
	}
	o := f.client.uploads.owner(b.id)
	if o != nil {
		if err := o.take(ctx); err != nil {
			return nil, err
		}
	}
	u, err := f.upload(ctx, key, w, w.Offset)
	if err != nil {
		return nil, err
	}
	u.id, u.resumed = b.id, true
	if u.hot = b.parts[0].sum.algorithm; f.client.algorithm() == none {
		u.hot = none
	}
	u.fixed = u.hot
	if o != nil { // who may have changed it
		err = u.take(b)
	}
	n := 0
	if err == nil {
		n, err = u.claimParts(b, w.Offset)
	}
	if err != nil {
		u.close()
		if gone(err) { // because it was being published
			return f.goOn(ctx, key, w)
		}
		return nil, err
	}
	u.sent, u.size = b.parts[:n], w.Offset
	if u.plan.uniform {
		u.plan.base = u.sent[0].size
	}
	u.client.uploads.own(u.id, &u.owner)
	f.log.Info("resuming an upload", "key", key, "upload", b.id, "bytes", w.Offset)
	return u, nil
}

// claimParts leaves a mark with the multipart upload by which other processes see that it is not theirs any more. It
// returns how many of the parts there are then make so many bytes.
func (u *upload) claimParts(b *broken, offset int64) (n int, err error) {
	if n = b.upTo(offset); n < 0 {
		return 0, standsAt(b.size, syscall.ESPIPE)
	}
	if err := u.putMark(b.parts[:n]); err != nil {
		return 0, err
	}
	if err := u.take(b); err != nil {
		return 0, err
	}
	if n = b.upTo(offset); n < 0 {
		return 0, standsAt(b.size, syscall.ESPIPE)
	}
	return n, nil
}

// take takes the parts that are there now.
func (u *upload) take(b *broken) error {
	parts, err := u.listParts(u.ctx, u.key, u.id)
	if err == nil {
		b.take(parts, u.uniform)
	}
	return err
}

// upTo returns how many of the parts make so many bytes, -1 if none end there.
func (b *broken) upTo(offset int64) int {
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
