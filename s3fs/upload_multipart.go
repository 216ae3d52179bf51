package s3fs

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// cancelGrace is how long a request outlives its caller's context where it must not be broken off, such as a clean-up
// after a failure.
const cancelGrace = 30 * time.Second

// isMultipart reports whether the content needs a multipart upload, however little is left to send.
func (u *upload) isMultipart() bool { return u.sending.id != "" || u.sending.pendingCopy != nil }

// prepareForPart creates the multipart upload if that was not done yet, and starts the pending copy.
func (u *upload) prepareForPart() error {
	if u.sending.id == "" {
		if err := u.createMultipart(); err != nil {
			return err
		}
	}
	u.startCopy()
	return nil
}

// finishMultipart sends the last part and completes the upload. After an error, nothing is published.
func (u *upload) finishMultipart(last *part) error {
	err := u.sendLast(last)
	for u.sending.inFlight > 0 && err == nil {
		err = u.awaitPart()
	}
	u.resuming.awaitLease() // a part that arrives after Complete may never be removed
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

// withChecksum runs f with the checksum algorithm for the upload's parts.
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

// createMultipart creates the multipart upload. The request outlives the caller by cancelGrace: an upload that S3 has
// created but has an unknown ID could not be aborted.
func (u *upload) createMultipart() error {
	u.sending.created = time.Now()
	if u.sending.forCopies {
		u.sending.algorithm = u.fs.plainPartAlgorithm() // see createInputLike
		u.receiving.algorithm = u.sending.algorithm
	}
	creating := fmt.Sprintf("creating %p", u) // until the ID is known, so that noteConflict marks the upload
	u.fs.client.uploads.register(creating, &u.resuming.owner)
	defer u.fs.client.uploads.unregister(creating, &u.resuming.owner)
	err := u.withChecksum(func(a algorithm) error {
		in := &s3.CreateMultipartUploadInput{ContentType: contentType(u.key)}
		u.fs.attributes.applyToCreate(in)
		if u.publishing.base != nil {
			like, err := u.publishing.base.createInput(u)
			if err != nil {
				return err
			}
			in = like
		}
		in.Bucket, in.Key, in.Metadata = &u.fs.bucket, &u.key, u.fs.addProvenance(u.ctx, in.Metadata)
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
			if u.resuming.started != nil {
				u.resuming.started(u.sending.id)
			}
		}
	}
	return err
}

// partNumber returns the number of part i.
func (s *sending) partNumber(i int) int32 { return int32(i) + 1 }

// sendPart sends a part under a number, and returns its ETag and checksum.
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

// complete makes the parts the object. S3 verifies the checksum of each part again and, if it can, that of the
// object.
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
	sum, _ := u.fullChecksum()
	want := expectedObject{u.sending.size, sum, multipartETag(u.completedParts(false))}
	var out *s3.CompleteMultipartUploadOutput
	err = u.fs.client.withCompleteChecksums(func(checksums bool) error {
		in := u.completeInput(checksums)
		return u.fs.conditionally(ctx, completeUpload, u.key, u.publishing.condition(), func(cond condition) (err error) {
			in.IfMatch, in.IfNoneMatch = cond.match, cond.noneMatch
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
		u.fs.log.WarnContext(ctx, "upload completed, but not confirmed by S3", "key", u.key, "err", err)
		m := multipartUpload{u.key, u.sending.id} // still open if the object had the same content before
		u.fs.cleanUp(ctx, u.key, func(ctx context.Context) { u.fs.abortUploadWithin(ctx, m) })
		return nil
	}
	u.resuming.contentRefused = slices.Contains(checksumMismatchCodes, errorCode(err)) || u.lacksPartChecksums() && errorCode(err) == "InvalidRequest"
	return u.publishing.publishError(err)
}

// lacksPartChecksums reports whether S3 has not told the checksum of a part that the upload was resumed from. A
// service that demands it in CompleteMultipartUpload would refuse this upload whenever it is resumed.
func (u *upload) lacksPartChecksums() bool {
	return u.resuming.resumed && slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.sum.value == nil })
}

// completeInput returns the request that makes the parts the object, with or without checksums.
func (u *upload) completeInput(checksums bool) *s3.CompleteMultipartUploadInput {
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.fs.bucket, Key: &u.key, UploadId: &u.sending.id}
	in.MultipartUpload = &types.CompletedMultipartUpload{Parts: u.completedParts(checksums)}
	if sum, ok := u.fullChecksum(); ok && checksums {
		_, in.ChecksumType = sum.algorithm.checksumType()
		sum.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, new(*string), new(*string))
	}
	return in
}

// completedParts lists the parts, with their checksums if these are wanted and all of one algorithm.
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

// abort aborts the multipart upload once no part is in flight any more.
func (u *upload) abort() {
	for u.sending.inFlight > 0 { // S3 may store a cancelled part even after the abort
		u.awaitPart()
	}
	u.resuming.awaitLease()
	u.awaitCopies()
	u.sending.cancel()
	if u.sending.id != "" {
		u.fs.abortUpload(u.ctx, multipartUpload{u.key, u.sending.id})
	}
}

// fullChecksum combines the checksums of the parts into that of the object, if all are of one algorithm that allows
// it.
func (u *upload) fullChecksum() (full checksum, ok bool) {
	if len(u.sending.parts) == 0 {
		return checksum{}, false
	}
	full.algorithm = u.sending.parts[0].sum.algorithm
	polynomial, ok := map[algorithm]uint32{crc32C: crc32.Castagnoli, crc32IEEE: crc32.IEEE}[full.algorithm]
	if !ok || slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.sum.algorithm != full.algorithm }) {
		return checksum{}, false
	}
	var crc uint32
	for _, s := range u.sending.parts {
		crc = combineCRC(polynomial, crc, binary.BigEndian.Uint32(s.sum.value), s.size)
	}
	full.value = binary.BigEndian.AppendUint32(nil, crc)
	return full, true
}

// A multipartUpload identifies an open multipart upload in a bucket.
type multipartUpload struct{ key, id string }
