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

// cancelGrace is how long it may take to clean up after a failure, when the caller may have gone already.
const cancelGrace = 30 * time.Second

// isMultipart reports whether the content goes into a multipart upload even if all of it is here.
func (u *upload) isMultipart() bool { return u.sending.id != "" || u.sending.pendingCopy != nil }

// prepareForPart begins the multipart upload before its first part, and the copy that is pending.
func (u *upload) prepareForPart() error {
	if u.sending.id == "" {
		if err := u.createMultipart(); err != nil {
			return err
		}
	}
	u.startCopy()
	return nil
}

// finishMultipart sends the last part, and publishes the whole. When anything fails, nothing is published.
func (u *upload) finishMultipart(last *part) error {
	err := u.sendLast(last)
	for u.sending.inFlight > 0 && err == nil {
		err = u.awaitPart()
	}
	u.resuming.awaitLease() // a part that comes after Complete may stay for good
	if err == nil {
		err = u.publishing.commit()
	}
	if err == nil {
		err = u.complete()
	}
	if err != nil {
		return u.suspendOrAbort(err)
	}
	u.resuming.releaseRetained()
	u.fs.abortSuperseded(u.ctx, u.key, u.sending.id)
	return nil
}

// withChecksum runs f with the checksum to send.
func (u *upload) withChecksum(f func(algorithm) error) error {
	switch {
	case u.sending.algorithm == md5Sum && u.fs.client.checksum != string(md5Sum):
		return u.fs.client.features.try(partMD5, u.fs.bucket, refusesChecksum, func(with bool) error {
			if with {
				return f(md5Sum)
			}
			return f(none)
		})
	case u.sending.algorithm != "":
		return f(u.sending.algorithm)
	}
	return u.fs.client.withChecksum(f)
}

// createMultipart begins the multipart upload. It goes on when the caller has given up, but not for long: an upload that S3
// has begun and nobody knows of could not be ended any more.
func (u *upload) createMultipart() error {
	u.sending.created = time.Now()
	if u.sending.forCopies {
		u.sending.algorithm = u.fs.plainPartAlgorithm() // see like
		u.receiving.algorithm = u.sending.algorithm
	}
	creating := fmt.Sprintf("creating %p", u) // S3 may order the upload before a change that is sent before its ID is known
	u.fs.client.uploads.register(creating, &u.resuming.owner)
	defer u.fs.client.uploads.unregister(creating, &u.resuming.owner)
	err := u.withChecksum(func(a algorithm) error {
		in := &s3.CreateMultipartUploadInput{ContentType: contentType(u.key)}
		u.fs.attributes.applyToCreate(in)
		if u.publishing.base != nil {
			as, err := u.publishing.base.createInput(u)
			if err != nil {
				return err
			}
			in = as
		}
		in.Bucket, in.Key = &u.fs.bucket, &u.key
		in.ChecksumAlgorithm, in.ChecksumType = a.checksumType()
		return u.withBaseStorageClass(in.StorageClass, func(class types.StorageClass) error {
			in.StorageClass = class
			out, err := u.fs.api.CreateMultipartUpload(u.sending.ctx, in)
			if err == nil {
				u.sending.id, u.sending.hasChecksums = aws.ToString(out.UploadId), in.ChecksumAlgorithm != ""
			}
			return err
		})
	})
	if err == nil {
		u.fs.client.uploads.register(u.sending.id, &u.resuming.owner)
		if u.resuming.resumable {
			u.writeOpenLease()
		}
	}
	return err
}

// partNumber returns that of part i.
func (s *sending) partNumber(i int) int32 { return int32(i) + 1 }

func (u *upload) sendPart(number int32, p *part) (etag *string, sum checksum, err error) {
	defer recoverPanic(&err)
	err = u.withChecksum(func(a algorithm) error {
		sum = p.sum(a)
		in := &s3.UploadPartInput{
			Bucket:        &u.fs.bucket,
			Key:           &u.key,
			UploadId:      &u.sending.id,
			PartNumber:    &number,
			Body:          p.reader(),
			ContentLength: &p.size,
		}
		sum.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		out, err := u.fs.api.UploadPart(u.sending.ctx, in, withPartAttempts)
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
	ctx, cancel, err := u.startPublishing()
	if err != nil {
		return err
	}
	defer cancel()
	if err := u.publishing.lock.acquire(ctx); err != nil {
		return u.publishing.publishError(err)
	}
	defer u.publishing.lock.release()
	if !u.resuming.owner.beginRequest() {
		return errTakenOver
	}
	defer u.resuming.owner.endRequest()
	whole, _ := u.fullChecksum()
	want := expectedObject{u.sending.size, whole, multipartETag(u.completedParts(false))}
	var out *s3.CompleteMultipartUploadOutput
	err = u.fs.client.withCompleteChecksums(func(checksums bool) error {
		in := u.completeInput(checksums)
		return u.fs.conditionally(ctx, completeUpload, u.key, u.publishing.condition(), func(only condition) (err error) {
			in.IfMatch, in.IfNoneMatch = only.match, only.noneMatch
			out, err = u.fs.api.CompleteMultipartUpload(s3http.WithExpect(s3http.WithSlow(ctx)), in)
			return err
		})
	})
	u.publishing.result.timeUnset = !u.publishing.attributes().ModTime.IsZero()
	if err == nil {
		u.publishing.result.setCompleted(want, out)
		return u.verifyCompleted(ctx, want, out)
	}
	if u.wasStored(ctx, want) {
		u.publishing.result.Size, u.publishing.result.ETag = want.size, want.etag
		u.fs.log.WarnContext(ctx, "S3 did not confirm an upload that it has completed", "key", u.key, "err", err)
		m := multipartUpload{u.key, u.sending.id} // which is gone, unless the same content was there before
		u.fs.cleanUp(ctx, u.key, func(ctx context.Context) { u.fs.abortUploadWithin(ctx, m) })
		return nil
	}
	u.resuming.contentRefused = slices.Contains(checksumMismatchCodes, errorCode(err)) || u.lacksPartChecksums() && errorCode(err) == "InvalidRequest"
	return u.publishing.publishError(err)
}

// lacksPartChecksums reports whether S3 does not tell the checksums of the parts that the upload resumed from. A service that demands them at the
// end would refuse every resumption.
func (u *upload) lacksPartChecksums() bool {
	return u.resuming.resumed && slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.sum.value == nil })
}

// completeInput is the request that makes the parts the object, with their checksums and that of the whole, or without.
func (u *upload) completeInput(checksums bool) *s3.CompleteMultipartUploadInput {
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.fs.bucket, Key: &u.key, UploadId: &u.sending.id}
	in.MultipartUpload = &types.CompletedMultipartUpload{Parts: u.completedParts(checksums)}
	if whole, ok := u.fullChecksum(); ok && checksums {
		_, in.ChecksumType = whole.algorithm.checksumType()
		whole.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, new(*string), new(*string))
	}
	return in
}

// completedParts lists the parts; with checksums, they have theirs, if all are of the same kind.
func (u *upload) completedParts(checksums bool) []types.CompletedPart {
	mixed := !checksums || slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.sum.algorithm != u.sending.parts[0].sum.algorithm })
	list := make([]types.CompletedPart, 0, len(u.sending.parts))
	for i, s := range u.sending.parts {
		p := types.CompletedPart{PartNumber: aws.Int32(u.sending.partNumber(i)), ETag: s.etag}
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
		u.awaitPart()
	}
	u.resuming.awaitLease()
	u.awaitCopies()
	u.sending.cancel()
	if u.sending.id != "" {
		u.fs.abortUpload(u.ctx, multipartUpload{u.key, u.sending.id})
	}
}
