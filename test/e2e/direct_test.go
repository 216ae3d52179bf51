package e2e

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// upload puts an object of size bytes, from memory, in parts of 8 MiB of which four are under way at a time:
// the fastest that the SDK does without a bridge.
func (v bucketView) upload(key string, size int64) {
	ctx := v.t.Context()
	created, err := v.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &v.bucket, Key: &key})
	if err != nil {
		v.t.Fatal(err)
	}
	parts := make([]types.CompletedPart, size/int64(len(block)))
	var all sync.WaitGroup
	slots := make(chan bool, 4)
	for i := range parts {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			parts[i] = v.part(ctx, key, created.UploadId, int32(i+1))
		})
	}
	all.Wait()
	_, err = v.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &v.bucket, Key: &key,
		UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		v.t.Error(err)
	}
}

func (v bucketView) part(ctx context.Context, key string, id *string, number int32) types.CompletedPart {
	got, err := v.UploadPart(ctx, &s3.UploadPartInput{Bucket: &v.bucket, Key: &key, UploadId: id, PartNumber: &number,
		Body: bytes.NewReader(block)}, unsigned)
	if err != nil {
		v.t.Error(err)
		return types.CompletedPart{}
	}
	return types.CompletedPart{PartNumber: &number, ETag: got.ETag}
}

// unsigned leaves out the hash over the body, and any checksum.
func unsigned(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// download reads an object over one connection.
func (v bucketView) download(key string) {
	got, err := v.GetObject(v.t.Context(), &s3.GetObjectInput{Bucket: &v.bucket, Key: &key})
	if err != nil {
		v.t.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, got.Body, make([]byte, 256*kib)); err != nil {
		v.t.Error(err)
	}
}
