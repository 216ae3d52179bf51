package s3fs

import (
	"context"
	"encoding/hex"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

// A product is an object as a request was to make it.
type product struct {
	size int64
	sum  checksum // where one is kept of the whole
	etag string   // "" = unknown
}

// object describes the object that a part alone makes.
func (p *part) object(a algorithm) product {
	return product{p.size, p.sum(a), hex.EncodeToString(p.sum(md5Sum).value)}
}

// is reports whether an object has the content that it was to have.
func (p product) is(there *s3.HeadObjectOutput) bool {
	if aws.ToInt64(there.ContentLength) != p.size {
		return false
	}
	var crc32c, crc32, sha256 *string
	p.sum.set(&crc32c, &crc32, &sha256, new(*string))
	for _, sum := range [][2]*string{{crc32c, there.ChecksumCRC32C}, {crc32, there.ChecksumCRC32}, {sha256, there.ChecksumSHA256}} {
		if sum[0] != nil && sum[1] != nil && there.ChecksumType != types.ChecksumTypeComposite {
			return *sum[0] == *sum[1]
		}
	}
	return p.etag != "" && p.etag == unquote(there.ETag)
}

// made reports whether S3 has made the object that a request was to make which it has not confirmed. The object itself
// tells, when the answer was lost.
func (u *upload) made(ctx context.Context, p product) bool {
	there, err := u.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.bucket, Key: &u.key, ChecksumMode: types.ChecksumModeEnabled})
	return err == nil && p.is(there)
}

// isCopy reports whether target is the copy of an object that S3 was to make and has not confirmed.
func (f *FS) isCopy(ctx context.Context, o object, target string) bool {
	source, err := f.head(ctx, o.key)
	if err != nil {
		return false
	}
	there, err := f.head(ctx, target)
	return err == nil && source.etag == o.etag && there.etag == o.etag && there.size == o.size &&
		maps.Equal(there.head.Metadata, source.head.Metadata)
}

// counting counts how many times a request is sent.
func counting(times *int) func(*s3.Options) {
	const id = "s3fs: count"
	count := middleware.FinalizeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		*times++
		return next.HandleFinalize(ctx, in)
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(count, "Retry", middleware.After)
		})
	}
}
