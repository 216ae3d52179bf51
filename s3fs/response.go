package s3fs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// lateStatus has the status of errors that S3 may find after it has begun to answer 200, as it does while it completes an upload.
var lateStatus = map[string]int{
	"PreconditionFailed":         http.StatusPreconditionFailed,
	"ConditionalRequestConflict": http.StatusConflict,
	"OperationAborted":           http.StatusConflict,
	"NoSuchUpload":               http.StatusNotFound,
	"NoSuchKey":                  http.StatusNotFound,
	"NoSuchBucket":               http.StatusNotFound,
	"AccessDenied":               http.StatusForbidden,
	"MethodNotAllowed":           http.StatusMethodNotAllowed,
	"NotImplemented":             http.StatusNotImplemented,
	"BadDigest":                  http.StatusBadRequest,
	"EntityTooLarge":             http.StatusBadRequest,
	"EntityTooSmall":             http.StatusBadRequest,
	"InvalidArgument":            http.StatusBadRequest,
	"InvalidPart":                http.StatusBadRequest,
	"InvalidPartOrder":           http.StatusBadRequest,
	"InvalidRequest":             http.StatusBadRequest,
	"MalformedXML":               http.StatusBadRequest,
}

// correctStatus gives an error in an answer of 200 the status that S3 documents for it, for all requests of a client. The SDK takes all
// such errors for failures of the service, with the status 500, and repeats the request.
func correctStatus(stack *middleware.Stack) error {
	const id = "s3fs: correct the status of late errors"
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() == http.StatusInternalServerError {
			if documented := lateStatus[errorCode(err)]; documented != 0 {
				answer.Response.StatusCode = documented
			}
		}
		return out, metadata, err
	}), middleware.Before)
}

// errUnconfirmed says that an answer was not S3's, or not all of it: so nobody knows what became of the request.
var errUnconfirmed = errors.New("S3 did not confirm the request")

// confirm makes errors of answers that confirm nothing, for all requests of a client that write. The SDK takes any answer with
// the status 200 for a success, even one without a body, or with the page of a proxy in it. Such a request is retried.
func (c *Client) confirm(stack *middleware.Stack) error {
	const id = "s3fs: confirm writes"
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleFinalize(ctx, in)
		if unreadable, ok := errors.AsType[*smithy.DeserializationError](err); ok {
			err = fmt.Errorf("%w: %w", errUnconfirmed, unreadable)
		}
		if is, ok := out.Result.(*s3.HeadObjectOutput); err == nil && ok && !hasLength(is, metadata) {
			err = fmt.Errorf("%w: HEAD tells no length", errUnconfirmed)
		}
		if err == nil && (!confirms(out.Result) || isDeletion(out.Result) && c.features.supports(emptyAnswers, "") && !answeredWith(metadata, http.StatusNoContent)) {
			err = errUnconfirmed
		}
		return out, metadata, err
	}), "Retry", middleware.After)
}

// emptyETag is that of an object without content.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// hasLength reports whether an answer to HEAD tells how long the object is. A proxy that compresses answers removes
// Content-Length, and the object would be taken for an empty one. HTTP lets a server leave it out for an empty one.
func hasLength(is *s3.HeadObjectOutput, metadata middleware.Metadata) bool {
	return is.ContentLength != nil || answerHeader(metadata, storedLengthHeader) != "" || unquote(is.ETag) == emptyETag
}

// isDeletion reports whether an answer is to a deletion, which S3 answers by 204 and nothing else.
func isDeletion(answer any) bool {
	switch answer.(type) {
	case *s3.DeleteObjectOutput, *s3.AbortMultipartUploadOutput:
		return true
	}
	return false
}

// confirms reports whether an answer has what S3 tells of everything that it has written, or that is read. It closes the
// content of an answer that has not.
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
	case *s3.HeadObjectOutput:
		return unquote(out.ETag) != "" || out.LastModified != nil
	case *s3.GetObjectOutput:
		if unquote(out.ETag) != "" || out.LastModified != nil {
			return true
		}
		out.Body.Close()
	case *s3.ListMultipartUploadsOutput:
		return out.Bucket != nil || out.IsTruncated != nil || len(out.Uploads) > 0
	case *s3.ListPartsOutput:
		return out.UploadId != nil || out.IsTruncated != nil || len(out.Parts) > 0
	default:
		return true
	}
	return unquote(told) != ""
}

// A clock is that of S3, as the header Date of its answers tells it, in seconds. The times of multipart uploads are compared with it: the
// clock of this machine may be wrong.
type clock struct{ seconds atomic.Int64 }

// time returns the time of S3's latest answer. It is zero before the first one.
func (c *clock) time() time.Time {
	if s := c.seconds.Load(); s != 0 {
		return time.Unix(s, 0).UTC()
	}
	return time.Time{}
}

// noteAnswers notes of all answers S3's time, and whether the service shows itself as MinIO.
func (c *Client) noteAnswers(stack *middleware.Stack) error {
	const id = "s3fs: note answers"
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if answer, ok := out.RawResponse.(*smithyhttp.Response); ok && answer != nil {
			if t, bad := http.ParseTime(answer.Header.Get("Date")); bad == nil {
				c.clock.seconds.Store(t.Unix())
			}
			if strings.HasPrefix(answer.Header.Get("Server"), "MinIO") {
				c.minio.Store(true)
			}
		}
		return out, metadata, err
	}), middleware.After)
}
