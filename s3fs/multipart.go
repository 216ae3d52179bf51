package s3fs

import (
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// cleanup is how long it may take to clean up after a failure, when the caller may have gone already.
const cleanup = 30 * time.Second

// inParts reports whether the content goes into a multipart upload even if all of it is here.
func (u *upload) inParts() bool { return u.id != "" || u.base.size() > 0 }

// multipart sends the first part, whose filling ended with filled, and what follows in r, each part while the next is
// received, and publishes the whole. When anything fails, nothing is published.
func (u *upload) multipart(first *part, r io.Reader, filled error) error {
	if u.id == "" {
		if err := u.create(); err != nil {
			first.free()
			return err
		}
		u.base.copy(u)
	}
	err := u.stream(first, r, filled)
	if err == nil && u.resumable && !u.resumed {
		u.older = later(u.others)
		defer u.older()
	}
	u.ends()
	for u.inFlight > 0 && err == nil {
		err = u.settle()
	}
	if err == nil {
		err = u.order()
	}
	if err == nil {
		err = u.complete()
	}
	if err != nil {
		return u.broke(err)
	}
	u.forget()
	u.endOlder()
	return nil
}

// checked runs f with the checksum to send.
func (u *upload) checked(f func(algorithm) error) error {
	if u.fixed != "" {
		return f(u.fixed)
	}
	return u.client.checked(f)
}

// create begins the multipart upload. It goes on when the caller has given up, but not for long: an upload that S3
// has begun and nobody knows of could not be ended any more.
func (u *upload) create() error {
	err := u.checked(func(a algorithm) error {
		in := &s3.CreateMultipartUploadInput{ContentType: contentType(u.key)}
		u.attributes.onCreate(in)
		if u.base != nil {
			as, err := u.base.create(u)
			if err != nil {
				return err
			}
			in = as
		}
		in.Bucket, in.Key = &u.bucket, &u.key
		in.ChecksumAlgorithm, in.ChecksumType = a.multipart()
		out, err := u.api.CreateMultipartUpload(u.sending, in)
		if err != nil {
			return err
		}
		u.id = aws.ToString(out.UploadId)
		return nil
	})
	if err == nil {
		u.client.uploads.own(u.id, &u.owner)
	}
	return err
}

// number returns that of part i.
func (u *upload) number(i int) int32 { return u.first + int32(i) }

func (u *upload) sendPart(i int, p *part) (etag *string, sum checksum, err error) {
	defer recovered(&err)
	err = u.checked(func(a algorithm) error {
		sum = p.sum(a)
		in := &s3.UploadPartInput{
			Bucket:        &u.bucket,
			Key:           &u.key,
			UploadId:      &u.id,
			PartNumber:    aws.Int32(u.number(i)),
			Body:          p.content(),
			ContentLength: &p.size,
		}
		sum.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		out, err := u.api.UploadPart(u.sending, in, persistent)
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
	if !u.owner.enter() {
		return errTaken
	}
	defer u.owner.leave()
	copied, err := u.base.copies()
	if err != nil {
		return err
	}
	ctx, cancel, err := u.publish()
	if err != nil {
		return err
	}
	defer cancel()
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, UploadId: &u.id}
	in.MultipartUpload = &types.CompletedMultipartUpload{Parts: u.completed(copied)}
	if u.mustBeNew {
		in.IfNoneMatch = aws.String("*")
	}
	whole, ok := u.wholeSum()
	if ok {
		_, in.ChecksumType = whole.algorithm.multipart()
		whole.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, new(*string), new(*string))
	}
	err = u.base.conditionally(ctx, u, func(ifMatch *string) error {
		in.IfMatch = ifMatch
		_, err := u.api.CompleteMultipartUpload(handOver(patient(ctx)), in)
		return err
	})
	if err != nil && u.made(ctx, product{u.size + u.base.size(), whole, wholeETag(in.MultipartUpload.Parts)}) {
		u.log.Warn("S3 did not confirm an upload that it has completed", "key", u.key, "err", err)
		u.abort() // which finds nothing, unless the same content was there before
		return nil
	}
	u.void = slices.Contains(badSum, errorCode(err))
	return u.judge(err)
}

// completed lists the parts, those copied first, with the checksums of those sent if all have one of the same kind.
func (u *upload) completed(copied []types.CompletedPart) []types.CompletedPart {
	mixed := slices.ContainsFunc(u.sent, func(s sent) bool { return s.sum.algorithm != u.sent[0].sum.algorithm })
	list := slices.Clip(copied)
	for i, s := range u.sent {
		p := types.CompletedPart{PartNumber: aws.Int32(u.number(i)), ETag: s.etag}
		if !mixed {
			s.sum.set(&p.ChecksumCRC32C, &p.ChecksumCRC32, &p.ChecksumSHA256, new(*string))
		}
		list = append(list, p)
	}
	return list
}

// abort gives up the multipart upload and what S3 holds of it, once no part is on its way any more.
func (u *upload) abort() {
	for u.inFlight > 0 { // those that are broken off S3 may still be storing, after it has ended the upload
		u.settle()
	}
	u.base.copies()
	u.drop()
	if u.id != "" {
		u.abandon(u.ctx, multipart{u.key, u.id})
	}
}
