package s3fs

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// cleanup is how long it may take to clean up after a failure, when the caller may have gone already.
const cleanup = 30 * time.Second

// create begins the multipart upload. It goes on when the caller has given up, but not for long: an upload that S3
// has begun and nobody knows of could not be ended any more.
func (u *upload) create() error {
	ctx, cancel := outlast(u.ctx, cleanup)
	defer cancel()
	return u.client.checked(func(a algorithm) error {
		in := &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, ContentType: contentType(u.key)}
		in.ChecksumAlgorithm, in.ChecksumType = a.multipart()
		out, err := u.api.CreateMultipartUpload(ctx, in)
		if err != nil {
			return err
		}
		u.id = aws.ToString(out.UploadId)
		return nil
	})
}

func (u *upload) sendPart(i int, p *part) (etag *string, sum checksum, err error) {
	defer recovered(&err)
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
		u.abort() // which finds nothing, unless the same content was there before
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
	if err != nil && !gone(err) {
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
