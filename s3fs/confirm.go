package s3fs

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// errUnconfirmed says that an answer was not S3's, or not all of it: so nobody knows what became of the request.
var errUnconfirmed = errors.New("S3 did not confirm the request")

// confirm makes errors of answers that confirm nothing, for all requests of a client that write. The SDK takes any answer with
// the status 200 for a success, even one without a body, or with a page of some proxy's in it.
func confirm(stack *middleware.Stack) error {
	const id = "s3fs: confirm writes"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if err == nil && !confirms(out.Result) {
			err = errUnconfirmed
		}
		return out, metadata, err
	}), middleware.Before)
}

// confirms reports whether an answer has what S3 tells of everything that it has written.
func confirms(answer any) bool {
	var told *string
	switch out := answer.(type) {
	case *s3.PutObjectOutput:
		told = out.ETag
	case *s3.CopyObjectOutput:
		if out.CopyObjectResult != nil {
			told = out.CopyObjectResult.ETag
		}
	case *s3.CreateMultipartUploadOutput:
		told = out.UploadId
	case *s3.UploadPartOutput:
		told = out.ETag
	case *s3.UploadPartCopyOutput:
		if out.CopyPartResult != nil {
			told = out.CopyPartResult.ETag
		}
	case *s3.CompleteMultipartUploadOutput:
		told = out.ETag
	default:
		return true
	}
	return unquote(told) != ""
}
