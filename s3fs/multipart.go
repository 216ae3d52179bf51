package s3fs

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// cleanup is how long it may take to clean up after a failure, when the caller may have gone already.
const cleanup = 30 * time.Second

// An upload is one Put on its way. It belongs to the goroutine that reads the content; the senders of parts only
// report to it.
type upload struct {
	*FS
	ctx       context.Context
	fail      context.CancelCauseFunc // ends ctx
	key       string
	mustBeNew bool
	plan      parts
	claim     *claim
	hot       algorithm // what is computed while the content arrives
	ahead     []byte    // read already, belongs into the next part

	id       string // of the multipart upload
	size     int64
	sent     []sent
	inFlight int
	answers  chan answer
	pace     *pace
}

// sent is a part that S3 has, or will have.
type sent struct {
	size int64
	etag *string
	sum  checksum
}

// answer is S3's answer to part i.
type answer struct {
	i    int
	etag *string
	sum  checksum
	err  error
}

func (f *FS) upload(ctx context.Context, key string, plan parts, mustBeNew bool) *upload {
	return &upload{
		FS: f, ctx: ctx, key: key, plan: plan, mustBeNew: mustBeNew,
		claim:   &claim{m: f.memory},
		hot:     f.client.algorithm(),
		answers: make(chan answer, mostInFlight),
		pace:    newPace(),
	}
}

// part begins the next part.
func (u *upload) part() *part {
	i := len(u.sent)
	p := &part{claim: u.claim, first: i == 0, target: u.plan.next(i, u.size), hot: u.hot, hash: u.hot.hash()}
	u.claim.need = slabs(u.plan.least(p.target), p.first)
	return p
}

func (u *upload) fill(p *part, r io.Reader) error {
	if len(u.ahead) > 0 {
		space, err := p.space(u.ctx, u.stall)
		if err != nil {
			return err
		}
		p.took(space[:copy(space, u.ahead)])
		u.ahead = nil
	}
	return p.fill(u.ctx, r, u.stall)
}

// peek reads one byte: only if there is one, a full first part is not all.
func (u *upload) peek(r io.Reader) error {
	b := make([]byte, 1)
	for range 100 {
		n, err := r.Read(b)
		u.ahead = b[:n]
		if n > 0 && err == io.EOF {
			return nil // which comes again
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// multipart sends the first part and what follows in r, each part while the next is received, and publishes the
// whole. When anything fails, nothing is published or left behind.
func (u *upload) multipart(first *part, r io.Reader) error {
	outer := u.ctx
	if err := u.create(); err != nil {
		first.free()
		return err
	}
	u.ctx, u.fail = context.WithCancelCause(outer)
	defer u.fail(nil)
	err := u.stream(first, r)
	for u.inFlight > 0 && err == nil {
		err = u.settle()
	}
	if err == nil {
		err = u.complete()
	}
	if err != nil {
		u.fail(err)
		err = context.Cause(u.ctx) // the first to fail has made the others fail
		u.abort()
	}
	return err
}

// stream sends part after part, until r ends and all have been sent.
func (u *upload) stream(p *part, r io.Reader) error {
	for {
		if err := u.send(p); err != nil {
			return err
		}
		if len(u.sent) == u.plan.numbers {
			return fmt.Errorf("more than %d bytes in %d parts: %w", u.size, len(u.sent), syscall.EFBIG)
		}
		p = u.part()
		switch err := u.fill(p, r); {
		case err == errFull:
		case err == io.EOF && p.size == 0:
			p.free()
			return nil
		case err == io.EOF:
			return u.send(p)
		default:
			p.free()
			return err
		}
	}
}

// send hands a part to a sender of its own, once fewer are in flight than S3 takes well.
func (u *upload) send(p *part) error {
	p.seal()
	for u.inFlight >= u.pace.limit || len(u.answers) > 0 {
		if err := u.settle(); err != nil {
			p.free()
			return err
		}
	}
	i := len(u.sent)
	u.sent = append(u.sent, sent{size: p.size})
	u.size += p.size
	u.inFlight++
	go func() {
		a := answer{i: i}
		a.etag, a.sum, a.err = u.sendPart(i, p)
		if a.err != nil {
			u.fail(fmt.Errorf("part %d: %w", firstPart+i, a.err)) // ends the others, and the wait for more content
		}
		p.free()
		u.answers <- a
	}()
	return nil
}

// settle waits for one answer.
func (u *upload) settle() error {
	starved := u.inFlight >= u.pace.limit
	a := <-u.answers
	u.inFlight--
	if a.err != nil {
		return a.err
	}
	u.sent[a.i].etag, u.sent[a.i].sum = a.etag, a.sum
	u.pace.took(u.sent[a.i].size, starved, u.memory.roomy())
	return nil
}

func (u *upload) create() error {
	return u.client.checked(func(a algorithm) error {
		in := &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, ContentType: contentType(u.key)}
		in.ChecksumAlgorithm, in.ChecksumType = a.multipart()
		out, err := u.api.CreateMultipartUpload(u.ctx, in)
		if err != nil {
			return err
		}
		u.id = aws.ToString(out.UploadId)
		return nil
	})
}

func (u *upload) sendPart(i int, p *part) (etag *string, sum checksum, err error) {
	err = u.client.checked(func(a algorithm) error {
		sum = p.sum(a)
		in := &s3.UploadPartInput{
			Bucket:        &u.bucket,
			Key:           &u.key,
			UploadId:      &u.id,
			PartNumber:    aws.Int32(int32(firstPart + i)),
			Body:          p.content(),
			ContentLength: &p.size,
		}
		sum.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		out, err := u.api.UploadPart(u.ctx, in, persistent)
		if err == nil {
			etag = out.ETag
		}
		return err
	})
	return etag, sum, err
}

// complete publishes the parts as the object. S3 checks each part's checksum again and, where it can, that of the
// whole.
func (u *upload) complete() error {
	ctx, cancel, err := u.publish()
	if err != nil {
		return err
	}
	defer cancel()
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, UploadId: &u.id}
	in.MultipartUpload = &types.CompletedMultipartUpload{Parts: u.completed()}
	if u.mustBeNew {
		in.IfNoneMatch = aws.String("*")
	}
	if whole, ok := u.wholeSum(); ok {
		_, in.ChecksumType = whole.algorithm.multipart()
		whole.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, new(*string), new(*string))
	}
	_, err = u.api.CompleteMultipartUpload(patient(ctx), in)
	if err != nil && u.published(ctx) {
		u.log.Warn("S3 did not confirm an upload that it has completed", "key", u.key, "err", err)
		return nil
	}
	return u.judge(err)
}

// completed lists the parts, with their checksums if all have one of the same kind.
func (u *upload) completed() []types.CompletedPart {
	mixed := slices.ContainsFunc(u.sent, func(s sent) bool { return s.sum.algorithm != u.sent[0].sum.algorithm })
	list := make([]types.CompletedPart, len(u.sent))
	for i, s := range u.sent {
		list[i] = types.CompletedPart{PartNumber: aws.Int32(int32(firstPart + i)), ETag: s.etag}
		if !mixed {
			s.sum.set(&list[i].ChecksumCRC32C, &list[i].ChecksumCRC32, &list[i].ChecksumSHA256, new(*string))
		}
	}
	return list
}

// abort gives up the multipart upload and what S3 holds of it, once no part is on its way any more.
func (u *upload) abort() {
	for u.inFlight > 0 {
		u.settle()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), cleanup)
	defer cancel()
	_, err := u.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, UploadId: &u.id})
	if err != nil {
		u.log.Warn("an incomplete multipart upload is left behind", "key", u.key, "upload", u.id, "err", err)
	}
}

// published asks whether the object is what this upload would have made it. That is so when S3 has completed the
// upload and only its answer was lost.
func (u *upload) published(ctx context.Context) bool {
	there, err := u.head(ctx, u.key)
	if err != nil || there.size != u.size {
		return false
	}
	sums := md5.New()
	for _, s := range u.sent {
		sum, err := hex.DecodeString(unquote(s.etag))
		if err != nil {
			return false // this service's ETags are not checksums
		}
		sums.Write(sum)
	}
	return there.etag == fmt.Sprintf("%x-%d", sums.Sum(nil), len(u.sent))
}
