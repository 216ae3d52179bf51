package s3fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func (p *prober) inParts(ctx context.Context) (string, error) {
	key := p.key + "-parts"
	return "", p.arrived(ctx, key, p.multipart(ctx, key, func(*s3.CompleteMultipartUploadInput) {}))
}

func (p *prober) conditionalComplete(ctx context.Context) (string, error) {
	for _, c := range []struct {
		header string
		set    func(*s3.CompleteMultipartUploadInput)
	}{
		{"If-None-Match", func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }},
		{"If-Match", func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = aws.String(noETag) }},
	} {
		if err := held(c.header, p.multipart(ctx, p.key, c.set)); err != nil {
			return "", err
		}
	}
	return "", nil
}

// multipart uploads the content as a single part.
func (p *prober) multipart(ctx context.Context, key string, change func(*s3.CompleteMultipartUploadInput)) error {
	return p.client.checked(func(a algorithm) error {
		create := &s3.CreateMultipartUploadInput{}
		p.attributes.onCreate(create)
		create.ChecksumAlgorithm, create.ChecksumType = a.multipart()
		id, err := p.begin(ctx, key, create)
		if err != nil {
			return err
		}
		sum := sumOf(a, p.content)
		in := &s3.UploadPartInput{Bucket: &p.bucket, Key: &key, UploadId: &id, PartNumber: aws.Int32(firstPart),
			Body: bytes.NewReader(p.content), ContentLength: aws.Int64(int64(len(p.content)))}
		sum.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		out, err := p.api.UploadPart(ctx, in)
		if err != nil {
			return err
		}
		part := types.CompletedPart{PartNumber: in.PartNumber, ETag: out.ETag}
		sum.set(&part.ChecksumCRC32C, &part.ChecksumCRC32, &part.ChecksumSHA256, new(*string))
		return p.complete(ctx, key, id, part, change)
	})
}

// partCopied makes an object of a part that is copied from another.
func (p *prober) partCopied(ctx context.Context) (string, error) {
	key := p.key + "-part-copied"
	create := &s3.CreateMultipartUploadInput{}
	p.attributes.onCreateCopy(create)
	id, err := p.begin(ctx, key, create)
	if err != nil {
		return "", err
	}
	out, err := p.api.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: &p.bucket, Key: &key, UploadId: &id, PartNumber: aws.Int32(1),
		CopySource: aws.String(copySource(p.bucket, p.key)), CopySourceIfMatch: aws.String(`"` + p.etag + `"`)})
	if err != nil {
		return "", err
	}
	if out.CopyPartResult == nil {
		return "", errors.New("the service does not say what it has copied")
	}
	part := types.CompletedPart{PartNumber: aws.Int32(1), ETag: out.CopyPartResult.ETag}
	return "", p.arrived(ctx, key, p.complete(ctx, key, id, part, func(*s3.CompleteMultipartUploadInput) {}))
}

// begin begins an upload, and remembers to give it up.
func (p *prober) begin(ctx context.Context, key string, in *s3.CreateMultipartUploadInput) (id string, err error) {
	in.Bucket, in.Key = &p.bucket, &key
	out, err := p.api.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", err
	}
	id = aws.ToString(out.UploadId)
	p.open[id] = key
	return id, nil
}

// complete completes an upload of one part.
func (p *prober) complete(ctx context.Context, key, id string, part types.CompletedPart, change func(*s3.CompleteMultipartUploadInput)) error {
	in := &s3.CompleteMultipartUploadInput{Bucket: &p.bucket, Key: &key, UploadId: &id}
	in.MultipartUpload = &types.CompletedMultipartUpload{Parts: []types.CompletedPart{part}}
	change(in)
	p.made[key] = true
	_, err := p.api.CompleteMultipartUpload(ctx, in)
	if err == nil {
		delete(p.open, id)
	}
	return err
}

// openListed leaves an upload open, for the next to give up.
func (p *prober) openListed(ctx context.Context) (string, error) {
	key := p.key + "-open"
	create := &s3.CreateMultipartUploadInput{}
	p.attributes.onCreate(create)
	id, err := p.begin(ctx, key, create)
	if err != nil {
		return "", err
	}
	uploads, err := p.api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &p.bucket, Prefix: &key})
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(uploads.Uploads, func(u types.MultipartUpload) bool {
		return aws.ToString(u.Key) == key && aws.ToString(u.UploadId) == id
	}) {
		return "", errors.New("an upload that was begun is not listed")
	}
	_, err = p.api.ListParts(ctx, &s3.ListPartsInput{Bucket: &p.bucket, Key: &key, UploadId: &id})
	return "", err
}

func (p *prober) givenUp(ctx context.Context) (string, error) {
	if len(p.open) == 0 {
		return "", errors.New("none could be begun")
	}
	for id := range p.open {
		if err := p.giveUp(ctx, id); err != nil {
			return "", err
		}
	}
	return "", nil
}

// lifecycle looks for a rule of the bucket that ends incomplete uploads below the prefix.
func (p *prober) lifecycle(ctx context.Context) (string, error) {
	out, err := p.api.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &p.bucket})
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "NoSuchLifecycleConfiguration" {
		return "", errors.New("it has no lifecycle rules")
	}
	if err != nil {
		return "", err
	}
	for _, rule := range out.Rules {
		if ends := rule.AbortIncompleteMultipartUpload; ends != nil && rule.Status == types.ExpirationStatusEnabled && covers(rule, p.prefix) {
			return fmt.Sprintf("%d days after they were begun", aws.ToInt32(ends.DaysAfterInitiation)), nil
		}
	}
	return "", errors.New("none of its lifecycle rules does")
}

// covers reports whether a rule is for all keys that begin with prefix.
func covers(rule types.LifecycleRule, prefix string) bool {
	//lint:ignore SA1019 rules of old have it
	of := aws.ToString(rule.Prefix)
	if filter := rule.Filter; filter != nil {
		if filter.And != nil || filter.Tag != nil || filter.ObjectSizeGreaterThan != nil || filter.ObjectSizeLessThan != nil {
			return false
		}
		of = aws.ToString(filter.Prefix)
	}
	return strings.HasPrefix(prefix, of)
}
