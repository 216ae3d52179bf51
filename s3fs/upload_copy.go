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
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A copyRange is a range of an object that becomes part of an upload's content. S3 copies it itself. Only up to 5 MiB at
// its beginning and at its end are read, and sent again: S3 takes no shorter parts but the last.
type copyRange struct {
	object        // one version of it
	base          bool
	offset, bytes int64
}

// first returns the first n bytes of a range.
func (r copyRange) first(n int64) copyRange {
	r.bytes = n
	return r
}

// from returns a range without its first n bytes.
func (r copyRange) from(n int64) copyRange {
	r.offset += n
	r.bytes -= n
	return r
}

// judge names the error of a request for the range. If the object has changed, trying again is sensible where it is the one that
// the upload replaces.
func (r copyRange) judge(err error) error {
	switch {
	case !changed(err) && !errors.Is(err, proxy.ErrStale):
		return err
	case r.base:
		return fmt.Errorf("%w: %v", errBusy, err)
	}
	return fmt.Errorf("%w: %q: %v", proxy.ErrStale, r.key, err)
}

// resolve returns the range that a copy means.
func (u *upload) resolve(c *proxy.Copy) (copyRange, error) {
	o, err := u.sourceOf(c)
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
			Offset: o.size, Err: fmt.Errorf("%d bytes from %d on of %d in %q: %w", r.bytes, r.offset, o.size, o.key, syscall.ESPIPE),
		}
	case u.fs.uniform && r.bytes > minPart:
		return copyRange{}, fmt.Errorf("parts that are copied are of another size: %w", errors.ErrUnsupported)
	case r.bytes > minPart && len(u.fs.ranges(r.bytes)) >= u.numbersLeft():
		return copyRange{}, fmt.Errorf("%d bytes are copied, which leaves no part numbers: %w", r.bytes, syscall.EFBIG)
	}
	return r, nil
}

// numbersLeft returns how many more parts there may be.
func (u *upload) numbersLeft() int {
	n := u.receiving.plan.numbers - u.sending.dataParts()
	if u.sending.pending != nil {
		n -= len(u.fs.ranges(u.sending.pending.bytes))
	}
	return n
}

// sourceOf returns the version of an object from which a copy is made.
func (u *upload) sourceOf(c *proxy.Copy) (o object, err error) {
	switch {
	case u.resuming.resumed:
		return object{}, fmt.Errorf("a copy behind what was resumed: %w", errors.ErrUnsupported)
	case c.From != "":
		o, err = u.otherSource(c)
	case u.publishing.base != nil:
		o = object{key: u.key, size: u.publishing.base.size(), etag: unquote(u.publishing.base.is.ETag), head: u.publishing.base.is}
	case u.publishing.startsFile:
		o = object{key: u.key} // there is none
	default:
		return object{}, fmt.Errorf("a copy of %q, whose version was not given: %w", u.key, errors.ErrUnsupported)
	}
	if err == nil && c.ETag != "" && !sameETag(c.ETag, o.etag) {
		err = fmt.Errorf("%w: %q has the ETag %s, not %s", proxy.ErrStale, o.key, o.etag, c.ETag)
	}
	return o, err
}

// otherSource returns an object that is not the one to be replaced, as it was when the upload first copied from it.
func (u *upload) otherSource(c *proxy.Copy) (object, error) {
	key, err := u.fs.file(c.From)
	if err != nil {
		return object{}, err
	}
	if o, ok := u.receiving.others[key]; ok {
		return o, nil
	}
	is, err := u.fs.head(u.ctx, key)
	switch {
	case c.ETag != "" && errors.Is(err, fs.ErrNotExist):
		return object{}, fmt.Errorf("%w: %v", proxy.ErrStale, err)
	case err != nil:
		return object{}, u.cause(fmt.Errorf("the source %q of a copy: %w", key, err))
	}
	if u.receiving.others == nil {
		u.receiving.others = make(map[string]object)
	}
	u.receiving.others[key] = object{key: key, size: is.size, etag: is.etag, head: is.head}
	return u.receiving.others[key], nil
}

// copyInto makes a range what follows in the content, behind part p, and returns the part that goes on. A range is read where
// that is up to 5 MiB, not counting what a part that is shorter needs to become one of 5 MiB.
func (u *upload) copyInto(p *part, r copyRange) (*part, error) {
	border := int64(0)
	if p.size > 0 {
		border = max(minPart-p.size, 0)
	}
	if r.bytes-border <= minPart {
		return u.readInto(p, r)
	}
	if u.sending.summed {
		return p, fmt.Errorf("a copy of %d bytes behind parts that were sent with checksums: %w", r.bytes, errors.ErrUnsupported)
	}
	u.notResumable()
	u.sending.forCopies = true
	var err error
	if border > 0 {
		if p, err = u.readInto(p, r.first(border)); err != nil {
			return p, err
		}
	}
	switch {
	case p.size > 0:
		p, err = u.nextPart(p)
	case u.sending.pending != nil:
		err = u.begin()
	}
	if err != nil {
		return p, err
	}
	r = r.from(border)
	u.sending.pending = &r
	return p, nil
}

// readInto reads a range into part p, and into others if it becomes full. It returns the last of them.
func (u *upload) readInto(p *part, r copyRange) (*part, error) {
	if r.bytes == 0 {
		return p, nil
	}
	u.notResumable()
	v := &version{fs: u.fs, key: r.key, etag: aws.ToString(r.head.ETag), size: r.size}
	s := &stream{version: v, ctx: u.ctx, at: r.offset, end: r.offset + r.bytes, retry: true}
	defer s.close()
	for {
		err := p.fill(u.ctx, s, u.fs.stall)
		switch {
		case s.at == s.end && (err == errFull || err == io.EOF):
			return p, nil
		case err != errFull:
			return p, u.cause(fmt.Errorf("reading what is copied: %w", r.judge(err)))
		}
		if p, err = u.nextPart(p); err != nil {
			return nil, err
		}
	}
}

// cause returns why the upload has failed, if it has while it did what failed with err.
func (u *upload) cause(err error) error { return cmp.Or(context.Cause(u.ctx), err) }

// notResumable notes that nothing of the upload can be resumed, as not all of it came from its client.
func (u *upload) notResumable() {
	u.resuming.resumable = false
	u.resuming.releaseRetained()
}

// A partCopy is a range that S3 copies as parts of an upload.
type partCopy struct {
	first int // of the parts, among all
	await func() ([]types.CompletedPart, error)
}

// startCopy has S3 copy the pending range, if there is one, while what follows is received.
func (u *upload) startCopy() {
	if u.sending.pending == nil {
		return
	}
	r := *u.sending.pending
	u.sending.pending = nil
	spans := u.fs.ranges(r.bytes)
	c := partCopy{first: len(u.sending.parts)}
	for i := range spans {
		u.sending.parts = append(u.sending.parts, sentPart{size: spans[i].size()})
		spans[i].first += r.offset
		spans[i].last += r.offset
	}
	u.sending.size += r.bytes
	u.sending.copiedParts += len(spans)
	u.sending.copiedSize += r.bytes
	u.receiving.plan.numbers -= len(spans)
	if u.sending.slots == nil {
		u.sending.slots = make(chan struct{}, copiesAtOnce)
	}
	to, first := multipart{u.key, u.sending.id}, u.sending.number(c.first)
	c.await = later(func() ([]types.CompletedPart, error) {
		parts, err := u.fs.copyParts(u.ctx, to, r.object, first, spans, u.sending.slots)
		if err != nil {
			err = r.judge(err)
			u.fail(err)
		}
		return parts, err
	})
	u.sending.copies = append(u.sending.copies, c)
}

// awaitCopies waits for the parts that S3 copies.
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
