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

// verifyAfter is how long an upload may take until what CompleteMultipartUpload answers is verified.
const verifyAfter = time.Second

// errSuperseded says that S3 has completed an upload whose object is not the current one.
var errSuperseded = errors.New("another write or deletion of the key took precedence over the completed upload")

// verifyCompleted makes sure that the object which CompleteMultipartUpload has made is the current one. On AWS, a success does not
// mean that: an object that was written, or deleted, after the upload began takes precedence over it. The upload has ended in any case.
//
// A short upload leaves no time for that: it is verified only where this process has written to the key meanwhile. An object that
// may not be read is not verified.
func (u *upload) verifyCompleted(ctx context.Context, want expectedObject, out *s3.CompleteMultipartUploadOutput) error {
	if !u.resuming.resumed && !u.resuming.owner.conflicting.Load() && time.Since(u.sending.created) <= verifyAfter {
		return nil
	}
	now, err := u.fs.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.fs.bucket, Key: &u.key}, withPartAttempts)
	switch {
	case err == nil && (want.isCompletedAs(out, now) || u.fs.client.hasOtherETagForm(want, out, now)):
		return nil
	case errors.Is(err, fs.ErrPermission):
		u.fs.log.WarnContext(ctx, "a completed upload cannot be verified, allow s3:GetObject", "key", u.key, "err", err)
		return nil
	case err == nil:
		err = fmt.Errorf("%w: the current ETag is %s, not %s", errSuperseded, aws.ToString(now.ETag), aws.ToString(out.ETag))
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %v", errSuperseded, err)
	default:
		err = fmt.Errorf("verifying a completed upload: %v", err)
	}
	u.fs.client.uploads.unregister(u.sending.id, &u.resuming.owner)
	u.sending.id, u.resuming.contentRefused = "", true // there is nothing to resume, or to abort
	return err
}

// noteWrites notes for running uploads which keys this client writes and deletes, before the request and after its answer.
func (c *Client) noteWrites(stack *middleware.Stack) error {
	const id = "s3fs: note writes"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		places := written(in.Parameters)
		for place, uploadID := range places {
			c.uploads.noteConflict(place, uploadID)
		}
		defer func() {
			for place, uploadID := range places {
				c.uploads.noteConflict(place, uploadID)
				c.uploads.noteWrite(ctx, place)
			}
		}()
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// written returns the places that a request writes, each with the upload that does, if it is one.
func written(request any) map[string]string {
	one := func(bucket, key, uploadID *string) map[string]string {
		return map[string]string{aws.ToString(bucket) + "/" + aws.ToString(key): aws.ToString(uploadID)}
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
			all[aws.ToString(in.Bucket)+"/"+aws.ToString(o.Key)] = ""
		}
		return all
	}
	return nil
}

// isCompletedAs reports whether an object is the one that an upload was completed as. Where S3 tells no useful ETag, its size has to do.
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

// hasOtherETagForm reports whether a service other than AWS tells ETags of another form for an object than for its completed upload, as
// gofakes3 does: then the size has to do. On AWS, such an object is another one.
func (c *Client) hasOtherETagForm(p expectedObject, out *s3.CompleteMultipartUploadOutput, now *s3.HeadObjectOutput) bool {
	endpoint := c.api.Options().BaseEndpoint
	ofParts := func(etag *string) bool { return strings.Contains(aws.ToString(etag), "-") }
	return endpoint != nil && !isAWS(*endpoint) && aws.ToInt64(now.ContentLength) == p.size && ofParts(out.ETag) && !ofParts(now.ETag)
}

// minETagLength is the length of the shortest ETag that tells objects apart: Dell ECS answers CompleteMultipartUpload with "00".
const minETagLength = 8

// A expectedObject is an object as a request was to make it.
type expectedObject struct {
	size int64
	sum  checksum // where one is kept of the whole
	etag string   // "" = unknown
}

// expected describes the object that a part alone makes.
func (p *part) expected(a algorithm) expectedObject {
	return expectedObject{p.size, p.sum(a), hex.EncodeToString(p.sum(md5Sum).value)}
}

// matches reports whether an object has the content that it was to have.
func (p expectedObject) matches(there *s3.HeadObjectOutput) bool {
	if aws.ToInt64(there.ContentLength) != p.size {
		return false
	}
	if same, known := p.sum.sameAs(there); known {
		return same
	}
	return p.etag != "" && sameETag(p.etag, unquote(there.ETag))
}

// wasStored reports whether S3 has made the object that a request was to make which it has not confirmed. The object itself
// tells, when the answer was lost.
func (u *upload) wasStored(ctx context.Context, p expectedObject) bool {
	there, err := u.fs.api.HeadObject(s3http.WithBrief(ctx), &s3.HeadObjectInput{Bucket: &u.fs.bucket, Key: &u.key, ChecksumMode: types.ChecksumModeEnabled})
	return err == nil && p.matches(there)
}

// sameAs compares a checksum with the one that S3 keeps of an object's whole content, where it keeps one of the kind.
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

// wasCopied reports whether target is the copy of an object that S3 was to make and has not confirmed. A copy of an object
// in parts has another ETag than its source on AWS; then only a checksum of the content tells.
func (f *FS) wasCopied(ctx context.Context, o object, target string) bool {
	ctx = s3http.WithBrief(ctx)
	source, err := f.headWithChecksums(ctx, o.key)
	if err != nil || unquote(source.ETag) != o.etag {
		return false
	}
	there, err := f.headWithChecksums(ctx, target)
	if err != nil || aws.ToInt64(there.ContentLength) != o.size || !maps.Equal(there.Metadata, source.Metadata) {
		return false
	}
	return unquote(there.ETag) == o.etag || sameChecksums(source, there)
}

// sameChecksums reports whether S3 keeps a checksum of the whole content of two objects, and it is the same.
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

// attemptCount tells how often a request was sent.
type attemptCount struct {
	sent      int
	ambiguous int // how many of these tries S3 may have obeyed in spite of their errors, such as a lost answer
}

// countAttempts counts how many times a request is sent. A refusal of the last try says nothing of an earlier one.
func countAttempts(t *attemptCount) func(*s3.Options) {
	const id = "s3fs: count"
	count := middleware.FinalizeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		t.sent++
		out, metadata, err := next.HandleFinalize(ctx, in)
		if maybeObeyed(err) {
			t.ambiguous++
		}
		return out, metadata, err
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(count, "Retry", middleware.After)
		})
	}
}
