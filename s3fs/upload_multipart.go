package s3fs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// cleanup is how long it may take to clean up after a failure, when the caller may have gone already.
const cleanup = 30 * time.Second

// inParts reports whether the content goes into a multipart upload even if all of it is here.
func (u *upload) inParts() bool { return u.sending.id != "" || u.sending.pending != nil }

// begin begins the multipart upload before its first part, and the copy that is pending.
func (u *upload) begin() error {
	if u.sending.id == "" {
		if err := u.create(); err != nil {
			return err
		}
	}
	u.startCopy()
	return nil
}

// finishMultipart sends the last part, and publishes the whole. When anything fails, nothing is published.
func (u *upload) finishMultipart(last *part) error {
	err := u.last(last)
	for u.sending.inFlight > 0 && err == nil {
		err = u.settle()
	}
	u.resuming.awaitLease() // a part that comes after Complete may stay for good
	if err == nil {
		err = u.publishing.commit()
	}
	if err == nil {
		err = u.complete()
	}
	if err != nil {
		return u.keepOrAbort(err)
	}
	u.resuming.releaseRetained()
	u.fs.abortLeft(u.ctx, u.key, u.sending.id)
	return nil
}

// checked runs f with the checksum to send.
func (u *upload) checked(f func(algorithm) error) error {
	switch {
	case u.sending.fixed == md5Sum && u.fs.client.checksum != string(md5Sum):
		return u.fs.client.features.attempt(partMD5, u.fs.bucket, refusesChecksum, func(with bool) error {
			if with {
				return f(md5Sum)
			}
			return f(none)
		})
	case u.sending.fixed != "":
		return f(u.sending.fixed)
	}
	return u.fs.client.checked(f)
}

// create begins the multipart upload. It goes on when the caller has given up, but not for long: an upload that S3
// has begun and nobody knows of could not be ended any more.
func (u *upload) create() error {
	u.sending.begun = time.Now()
	if u.sending.forCopies {
		u.sending.fixed = u.fs.plainSum() // see like
		u.receiving.hot = u.sending.fixed
	}
	creating := fmt.Sprintf("creating %p", u) // S3 may order the upload before a change that is sent before its ID is known
	u.fs.client.uploads.own(creating, &u.resuming.owner)
	defer u.fs.client.uploads.disown(creating, &u.resuming.owner)
	err := u.checked(func(a algorithm) error {
		in := &s3.CreateMultipartUploadInput{ContentType: contentType(u.key)}
		u.fs.attributes.onCreate(in)
		if u.publishing.base != nil {
			as, err := u.publishing.base.create(u)
			if err != nil {
				return err
			}
			in = as
		}
		in.Bucket, in.Key = &u.fs.bucket, &u.key
		in.ChecksumAlgorithm, in.ChecksumType = a.multipart()
		return u.withBaseClass(in.StorageClass, func(class types.StorageClass) error {
			in.StorageClass = class
			out, err := u.fs.api.CreateMultipartUpload(u.sending.ctx, in)
			if err == nil {
				u.sending.id, u.sending.summed = aws.ToString(out.UploadId), in.ChecksumAlgorithm != ""
			}
			return err
		})
	})
	if err == nil {
		u.fs.client.uploads.own(u.sending.id, &u.resuming.owner)
		if u.resuming.resumable {
			u.writeOpenLease()
		}
	}
	return err
}

// number returns that of part i.
func (s *sending) number(i int) int32 { return int32(i) + 1 }

func (u *upload) sendPart(number int32, p *part) (etag *string, sum checksum, err error) {
	defer recovered(&err)
	err = u.checked(func(a algorithm) error {
		sum = p.sum(a)
		in := &s3.UploadPartInput{
			Bucket:        &u.fs.bucket,
			Key:           &u.key,
			UploadId:      &u.sending.id,
			PartNumber:    &number,
			Body:          p.content(),
			ContentLength: &p.size,
		}
		sum.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		out, err := u.fs.api.UploadPart(u.sending.ctx, in, persistent)
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
	if err := u.awaitCopies(); err != nil {
		return err
	}
	ctx, cancel, err := u.publish()
	if err != nil {
		return err
	}
	defer cancel()
	if err := u.publishing.lock.take(ctx); err != nil {
		return u.publishing.judge(err)
	}
	defer u.publishing.lock.release()
	if !u.resuming.owner.enter() {
		return errTaken
	}
	defer u.resuming.owner.leave()
	whole, _ := u.wholeSum()
	want := product{u.sending.size, whole, wholeETag(u.completed(false))}
	var out *s3.CompleteMultipartUploadOutput
	err = u.fs.client.completing(func(checksums bool) error {
		in := u.completeInput(checksums)
		return u.fs.conditionally(ctx, completeUpload, u.key, u.publishing.only(), func(only condition) (err error) {
			in.IfMatch, in.IfNoneMatch = only.match, only.noneMatch
			out, err = u.fs.api.CompleteMultipartUpload(s3http.WithExpect(s3http.WithSlow(ctx)), in)
			return err
		})
	})
	u.publishing.made.timeUnset = !u.publishing.attributes().ModTime.IsZero()
	if err == nil {
		u.publishing.made.completed(want, out)
		return u.verifyCompleted(ctx, want, out)
	}
	if u.made(ctx, want) {
		u.publishing.made.Size, u.publishing.made.ETag = want.size, want.etag
		u.fs.log.WarnContext(ctx, "S3 did not confirm an upload that it has completed", "key", u.key, "err", err)
		m := multipart{u.key, u.sending.id} // which is gone, unless the same content was there before
		u.fs.cleanUp(ctx, u.key, func(ctx context.Context) { u.fs.abortUploadWhile(ctx, m) })
		return nil
	}
	u.resuming.contentRefused = slices.Contains(badSum, errorCode(err)) || u.sumsUntold() && errorCode(err) == "InvalidRequest"
	return u.publishing.judge(err)
}

// sumsUntold reports whether S3 does not tell the checksums of the parts that the upload resumed from. A service that demands them at the
// end would refuse every resumption.
func (u *upload) sumsUntold() bool {
	return u.resuming.resumed && slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.sum.value == nil })
}

// completeInput is the request that makes the parts the object, with their checksums and that of the whole, or without.
func (u *upload) completeInput(checksums bool) *s3.CompleteMultipartUploadInput {
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.fs.bucket, Key: &u.key, UploadId: &u.sending.id}
	in.MultipartUpload = &types.CompletedMultipartUpload{Parts: u.completed(checksums)}
	if whole, ok := u.wholeSum(); ok && checksums {
		_, in.ChecksumType = whole.algorithm.multipart()
		whole.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, new(*string), new(*string))
	}
	return in
}

// completed lists the parts; with checksums, they have theirs, if all are of the same kind.
func (u *upload) completed(checksums bool) []types.CompletedPart {
	mixed := !checksums || slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.sum.algorithm != u.sending.parts[0].sum.algorithm })
	list := make([]types.CompletedPart, 0, len(u.sending.parts))
	for i, s := range u.sending.parts {
		p := types.CompletedPart{PartNumber: aws.Int32(u.sending.number(i)), ETag: s.etag}
		if !mixed {
			s.sum.set(&p.ChecksumCRC32C, &p.ChecksumCRC32, &p.ChecksumSHA256, new(*string))
		}
		list = append(list, p)
	}
	return list
}

// abort gives up the multipart upload and what S3 holds of it, once no part is on its way any more.
func (u *upload) abort() {
	for u.sending.inFlight > 0 { // those that are broken off S3 may still be storing, after it has ended the upload
		u.settle()
	}
	u.resuming.awaitLease()
	u.awaitCopies()
	u.sending.cancel()
	if u.sending.id != "" {
		u.fs.abortUpload(u.ctx, multipart{u.key, u.sending.id})
	}
}
