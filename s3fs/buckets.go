package s3fs

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Buckets implements [proxy.Buckets] with the credentials of Client.
type Buckets struct {
	Client  *Client
	Options Options // of the stores that Open returns, except for Bucket
}

// List yields the buckets, in pages of 1,000.
func (b Buckets) List(ctx context.Context) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		pages := s3.NewListBucketsPaginator(b.Client.api, &s3.ListBucketsInput{MaxBuckets: aws.Int32(1000)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(proxy.Entry{}, wrap("list", "buckets", err))
				return
			}
			for _, bucket := range page.Buckets {
				if !yield(proxy.Entry{Name: aws.ToString(bucket.Name), ModTime: aws.ToTime(bucket.CreationDate), Dir: true}, nil) {
					return
				}
			}
		}
	}
}

// Stat asks S3 for a bucket. Its time is unknown.
func (b Buckets) Stat(ctx context.Context, bucket string) (proxy.Entry, error) {
	if _, err := b.Client.api.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket}); err != nil {
		return proxy.Entry{}, wrap("stat bucket", bucket, bucketError(err))
	}
	return proxy.Entry{Name: bucket, Dir: true}, nil
}

// Make creates a bucket in the region of the client.
func (b Buckets) Make(ctx context.Context, bucket string) error {
	in := &s3.CreateBucketInput{Bucket: &bucket}
	if region := b.Client.api.Options().Region; region != "" && region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	_, err := b.Client.api.CreateBucket(ctx, in)
	return wrap("make bucket", bucket, bucketError(err))
}

// Remove removes an empty bucket.
func (b Buckets) Remove(ctx context.Context, bucket string) error {
	_, err := b.Client.api.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	return wrap("remove bucket", bucket, bucketError(err))
}

// Open returns the store of a bucket.
func (b Buckets) Open(bucket string) proxy.Store {
	o := b.Options
	o.Bucket = bucket
	return NewFS(b.Client, o)
}

// bucketError wraps an error of CreateBucket or DeleteBucket with the matching error of io/fs or syscall.
func bucketError(err error) error {
	var sentinel error
	switch errorCode(err) {
	case "BucketAlreadyExists", "BucketAlreadyOwnedByYou":
		sentinel = fs.ErrExist
	case "BucketNotEmpty":
		sentinel = syscall.ENOTEMPTY
	case "InvalidBucketName", "InvalidArgument":
		sentinel = fs.ErrInvalid
	case "NoSuchBucket":
		sentinel = fs.ErrNotExist
	default:
		return err
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}
