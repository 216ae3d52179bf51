package s3fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// checkMultipart uploads an object in one part, and compares the ETags of CompleteMultipartUpload and HeadObject.
func (p *prober) checkMultipart(ctx context.Context, finding *Finding) error {
	key := p.key + "-parts"
	var etag string
	err := p.client.withChecksum(func(a algorithm) error {
		id, part, err := p.uploadOnePart(ctx, key, a)
		if err == nil {
			etag, err = p.complete(ctx, key, id, part, func(*s3.CompleteMultipartUploadInput) {})
		}
		return err
	})
	headETag, err := p.verifyObject(ctx, key, err)
	finding.OtherETag = err == nil && !sameETag(headETag, etag)
	return err
}

// checkCompleteMatch completes an upload with conditions that are not met, and then with one that is.
func (p *prober) checkCompleteMatch(ctx context.Context, _ *Finding) error {
	key := p.key + "-conditions"
	etag, err := p.put(ctx, key, p.content, noChange)
	if err != nil {
		return err
	}
	return p.client.withChecksum(func(a algorithm) error {
		id, part, err := p.uploadOnePart(ctx, key, a)
		if err != nil {
			return err
		}
		for _, c := range []struct {
			header string
			set    func(*s3.CompleteMultipartUploadInput)
		}{
			{"If-None-Match", func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }},
			{"If-Match", func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = aws.String(otherETag) }},
		} {
			_, err := p.complete(ctx, key, id, part, c.set)
			if isNoSuchUpload(err) {
				return nil // the service aborts an upload if its condition is not met
			}
			if err := wantConditionFailed(c.header, err); err != nil {
				return err
			}
		}
		_, err = p.complete(ctx, key, id, part, func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = quoted(etag) })
		if isConditionFailed(err) {
			return fmt.Errorf("the service refuses the right ETag: %w", err)
		}
		return err
	})
}

// uploadOnePart creates an upload and sends the content as its only part.
func (p *prober) uploadOnePart(ctx context.Context, key string, a algorithm) (id string, part types.CompletedPart, err error) {
	create := &s3.CreateMultipartUploadInput{}
	p.attributes.applyToCreate(create)
	create.ChecksumAlgorithm, create.ChecksumType = a.checksumType()
	if id, err = p.createUpload(ctx, key, create); err != nil {
		return "", part, err
	}
	part, err = p.uploadPart(ctx, key, id, 1, a, p.content)
	return id, part, err
}

// uploadPart sends a part.
func (p *prober) uploadPart(ctx context.Context, key, id string, number int, a algorithm, content []byte) (part types.CompletedPart, err error) {
	sum := sumOf(a, content)
	in := &s3.UploadPartInput{Bucket: &p.bucket, Key: &key, UploadId: &id, PartNumber: aws.Int32(int32(number)),
		Body: bytes.NewReader(content), ContentLength: aws.Int64(int64(len(content)))}
	sum.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
	out, err := p.api.UploadPart(ctx, in)
	if err != nil {
		return part, err
	}
	part = types.CompletedPart{PartNumber: in.PartNumber, ETag: out.ETag}
	sum.set(&part.ChecksumCRC32C, &part.ChecksumCRC32, &part.ChecksumSHA256, new(*string))
	return part, nil
}

// checkPartCopy uploads an object in one part that is copied from another object.
func (p *prober) checkPartCopy(ctx context.Context, _ *Finding) error {
	key := p.key + "-part-copied"
	create := &s3.CreateMultipartUploadInput{}
	p.attributes.applyToCopyCreate(create)
	id, err := p.createUpload(ctx, key, create)
	if err != nil {
		return err
	}
	out, err := p.api.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: &p.bucket, Key: &key, UploadId: &id, PartNumber: aws.Int32(1),
		CopySource: aws.String(copySource(p.bucket, p.key)), CopySourceIfMatch: quoted(p.etag)})
	if err != nil {
		return err
	}
	if out.CopyPartResult == nil {
		return errors.New("the response to UploadPartCopy has no ETag")
	}
	part := types.CompletedPart{PartNumber: aws.Int32(1), ETag: out.CopyPartResult.ETag}
	_, err = p.complete(ctx, key, id, part, func(*s3.CompleteMultipartUploadInput) {})
	_, err = p.verifyObject(ctx, key, err)
	return err
}

// createUpload creates an upload and records it for cleanUp.
func (p *prober) createUpload(ctx context.Context, key string, in *s3.CreateMultipartUploadInput) (id string, err error) {
	in.Bucket, in.Key = &p.bucket, &key
	out, err := p.api.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", err
	}
	id = aws.ToString(out.UploadId)
	p.uploads[id] = key
	return id, nil
}

// complete completes an upload of one part.
func (p *prober) complete(
	ctx context.Context, key, id string, part types.CompletedPart, change func(*s3.CompleteMultipartUploadInput),
) (etag string, err error) {
	in := &s3.CompleteMultipartUploadInput{Bucket: &p.bucket, Key: &key, UploadId: &id}
	in.MultipartUpload = &types.CompletedMultipartUpload{Parts: []types.CompletedPart{part}}
	change(in)
	p.objects[key] = true
	out, err := p.api.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return "", err
	}
	delete(p.uploads, id)
	return unquote(out.ETag), nil
}

// checkResume resumes an upload: it finds the upload and its parts, and completes it without the part with the highest
// number, which in real uploads is the lease part.
func (p *prober) checkResume(ctx context.Context, _ *Finding) error {
	key := p.key + "-resumed"
	err := p.client.withChecksum(func(a algorithm) error {
		id, part, err := p.uploadOnePart(ctx, key, a)
		if err != nil {
			return err
		}
		if _, err := p.uploadPart(ctx, key, id, p.maxParts, a, p.content); err != nil {
			return fmt.Errorf("part number %d, try a smaller --max-parts: %w", p.maxParts, err)
		}
		if err := p.verifyListed(ctx, key, id); err != nil {
			return err
		}
		if _, err = p.complete(ctx, key, id, part, func(*s3.CompleteMultipartUploadInput) {}); err != nil {
			return fmt.Errorf("completing it without its last part: %w", err)
		}
		return nil
	})
	_, err = p.verifyObject(ctx, key, err)
	return err
}

// verifyListed checks that the upload is listed, and its two parts.
func (p *prober) verifyListed(ctx context.Context, key, id string) error {
	uploads, err := p.api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &p.bucket, Prefix: &key})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(uploads.Uploads, func(u types.MultipartUpload) bool {
		return aws.ToString(u.Key) == key && aws.ToString(u.UploadId) == id
	}) {
		return errors.New("the open upload is not listed")
	}
	parts, err := p.listParts(ctx, key, id)
	if err != nil {
		return err
	}
	var numbers []int32
	for _, part := range parts {
		numbers = append(numbers, aws.ToInt32(part.PartNumber))
	}
	if want := []int32{1, int32(p.maxParts)}; !slices.Equal(numbers, want) {
		return fmt.Errorf("its parts are listed as %d, want %d", numbers, want)
	}
	return nil
}

func (p *prober) checkAbort(ctx context.Context, _ *Finding) error {
	key := p.key + "-aborted"
	create := &s3.CreateMultipartUploadInput{}
	p.attributes.applyToCreate(create)
	id, err := p.createUpload(ctx, key, create)
	if err != nil {
		return err
	}
	return p.abortUpload(ctx, id)
}

// checkLifecycle looks for a rule of the bucket that aborts incomplete uploads below the prefix.
func (p *prober) checkLifecycle(ctx context.Context, finding *Finding) error {
	is, err := p.readLifecycle(ctx)
	if err != nil {
		return err
	}
	finding.AbortDays = is.abortDays(p.prefix)
	switch {
	case finding.AbortDays > 0 && time.Duration(finding.AbortDays)*24*time.Hour < p.resume:
		return fmt.Errorf("a rule aborts them after %d days, before --resume %v is over", finding.AbortDays, p.resume)
	case finding.AbortDays > 0:
		return nil
	case len(is.rules) == 0:
		return errors.New("the bucket has no lifecycle rules")
	}
	return errors.New("none of the bucket's lifecycle rules does")
}
