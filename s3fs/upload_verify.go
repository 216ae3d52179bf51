package s3fs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// verifyAfter is the duration of an upload from which its completion is verified.
const verifyAfter = time.Second

// errSuperseded says that S3 has completed an upload, but its object is not the current one.
var errSuperseded = errors.New("another write or deletion of the key took precedence over the completed upload")

// verifyCompleted verifies that the object of a completed upload is the current one. On AWS, a success of
// CompleteMultipartUpload does not mean that: an object that was written or deleted after the upload began takes
// precedence. The upload has ended in any case.
//
// A short upload is verified only if this process has written the key meanwhile. Without permission to read the
// object, nothing is verified.
func (u *upload) verifyCompleted(ctx context.Context, want expectedObject, out *s3.CompleteMultipartUploadOutput) error {
	if !u.resuming.resumed && !u.resuming.owner.conflicting.Load() && time.Since(u.sending.created) <= verifyAfter {
		return nil
	}
	now, err := u.fs.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.fs.bucket, Key: &u.key}, withPartAttempts)
	switch {
	case err == nil && (want.isCompletedAs(out, now) || u.fs.client.hasOtherETagForm(want, out, now)):
		return nil
	case errors.Is(err, fs.ErrPermission):
		u.fs.log.WarnContext(ctx, "completed upload not verified, allow s3:GetObject", "key", u.key, "err", err)
		return nil
	case err == nil:
		err = fmt.Errorf("%w: the current ETag is %s, not %s", errSuperseded, aws.ToString(now.ETag), aws.ToString(out.ETag))
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %v", errSuperseded, err)
	default:
		err = fmt.Errorf("verifying a completed upload: %v", err)
	}
	u.fs.client.uploads.unregister(u.sending.id, &u.resuming.owner)
	u.sending.id, u.resuming.contentRefused = "", true // nothing is left to resume or abort
	return err
}

// noteWrites records which keys a client writes and deletes, for running uploads and watches, before each request and
// after its answer.
func (c *Client) noteWrites(stack *middleware.Stack) error {
	const id = "s3fs: note writes"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		keys := c.writtenKeys(in.Parameters)
		for bucketKey, uploadID := range keys {
			c.uploads.noteConflict(bucketKey, uploadID)
		}
		defer func() {
			for bucketKey, uploadID := range keys {
				c.uploads.noteConflict(bucketKey, uploadID)
				c.uploads.noteWrite(ctx, bucketKey)
			}
		}()
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// writtenKeys returns the bucketKeys that a request writes or deletes, each with the ID of the upload that the
// request completes, "" if it completes none.
func (c *Client) writtenKeys(request any) map[string]string {
	one := func(bucket, key, uploadID *string) map[string]string {
		return map[string]string{c.bucketKey(aws.ToString(bucket), aws.ToString(key)): aws.ToString(uploadID)}
	}
	switch in := request.(type) {
	case *s3.PutObjectInput:
		return one(in.Bucket, in.Key, nil)
	case *s3.CopyObjectInput:
		return one(in.Bucket, in.Key, nil)
	case *s3.CompleteMultipartUploadInput:
		return one(in.Bucket, in.Key, in.UploadId)
	case *s3.DeleteObjectInput:
		return one(in.Bucket, in.Key, nil)
	case *s3.DeleteObjectsInput:
		all := make(map[string]string)
		for _, o := range in.Delete.Objects {
			all[c.bucketKey(aws.ToString(in.Bucket), aws.ToString(o.Key))] = ""
		}
		return all
	}
	return nil
}

// isCompletedAs reports whether now is the object that an upload was completed as. If S3 tells no useful ETag, only
// the size is compared.
func (p expectedObject) isCompletedAs(out *s3.CompleteMultipartUploadOutput, now *s3.HeadObjectOutput) bool {
	etag := unquote(out.ETag)
	switch {
	case aws.ToInt64(now.ContentLength) != p.size:
		return false
	case out.VersionId != nil && now.VersionId != nil:
		return *out.VersionId == *now.VersionId
	case sameETag(etag, unquote(now.ETag)):
		return true
	}
	return p.matches(now) || len(etag) < minETagLength
}

// hasOtherETagForm reports whether a service other than AWS gives an object an ETag of another form than its
// completed upload, as gofakes3 does. Then only the size is compared. On AWS, such an object is another one.
func (c *Client) hasOtherETagForm(p expectedObject, out *s3.CompleteMultipartUploadOutput, now *s3.HeadObjectOutput) bool {
	endpoint := c.api.Options().BaseEndpoint
	ofParts := func(etag *string) bool { return strings.Contains(aws.ToString(etag), "-") }
	return endpoint != nil && !isAWS(*endpoint) && aws.ToInt64(now.ContentLength) == p.size && ofParts(out.ETag) && !ofParts(now.ETag)
}

// minETagLength is the length of the shortest ETag that can identify an object: Dell ECS answers
// CompleteMultipartUpload with "00".
const minETagLength = 8

// An expectedObject describes the object that a request should make.
type expectedObject struct {
	size int64
	sum  checksum // of the content; no value = unknown
	etag string   // "" = unknown
}

// expected describes the object with this part as its content.
func (p *part) expected(a algorithm) expectedObject {
	return expectedObject{p.size, p.sum(a), hex.EncodeToString(p.sum(md5Sum).value)}
}

// matches reports whether an object has the expected content.
func (p expectedObject) matches(head *s3.HeadObjectOutput) bool {
	if aws.ToInt64(head.ContentLength) != p.size {
		return false
	}
	if same, known := p.sum.sameAs(head); known {
		return same
	}
	return p.etag != "" && sameETag(p.etag, unquote(head.ETag))
}

// wasStored looks with HEAD whether S3 has made the object although it did not confirm the request, as after a lost
// answer.
func (u *upload) wasStored(ctx context.Context, p expectedObject) bool {
	head, err := u.fs.api.HeadObject(s3http.WithBrief(ctx), &s3.HeadObjectInput{Bucket: &u.fs.bucket, Key: &u.key, ChecksumMode: types.ChecksumModeEnabled})
	return err == nil && p.matches(head)
}

// sameAs compares a checksum with the one that S3 stores for the content of an object. known is false if S3 stores
// none of this algorithm.
func (s checksum) sameAs(is *s3.HeadObjectOutput) (same, known bool) {
	var crc32c, crc32, sha256 *string
	s.set(&crc32c, &crc32, &sha256, new(*string))
	for _, sum := range [][2]*string{{crc32c, is.ChecksumCRC32C}, {crc32, is.ChecksumCRC32}, {sha256, is.ChecksumSHA256}} {
		if sum[0] != nil && sum[1] != nil && is.ChecksumType != types.ChecksumTypeComposite {
			return *sum[0] == *sum[1], true
		}
	}
	return false, false
}

// wasCopied looks whether target is the copy of an object, after S3 did not confirm it. On AWS, the copy of a
// multipart object has another ETag than its source; then only a checksum of the content can tell.
func (f *FS) wasCopied(ctx context.Context, o object, target string) bool {
	ctx = s3http.WithBrief(ctx)
	source, err := f.headWithChecksums(ctx, o.key)
	if err != nil || unquote(source.ETag) != o.etag {
		return false
	}
	made, err := f.headWithChecksums(ctx, target)
	if err != nil || aws.ToInt64(made.ContentLength) != o.size || !maps.Equal(made.Metadata, source.Metadata) {
		return false
	}
	return unquote(made.ETag) == o.etag || sameChecksums(source, made)
}

// sameChecksums reports whether S3 stores the same checksum of the full content for two objects.
func sameChecksums(a, b *s3.HeadObjectOutput) bool {
	if a.ChecksumType != types.ChecksumTypeFullObject || b.ChecksumType != types.ChecksumTypeFullObject {
		return false
	}
	same := false
	for _, sum := range [][2]*string{
		{a.ChecksumCRC64NVME, b.ChecksumCRC64NVME}, {a.ChecksumCRC32C, b.ChecksumCRC32C}, {a.ChecksumCRC32, b.ChecksumCRC32},
		{a.ChecksumSHA256, b.ChecksumSHA256}, {a.ChecksumSHA1, b.ChecksumSHA1},
	} {
		if sum[0] != nil && sum[1] != nil {
			if *sum[0] != *sum[1] {
				return false
			}
			same = true
		}
	}
	return same
}
