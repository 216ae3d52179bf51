package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// lateStatus is the documented status of errors that S3 may return with status 200, for example when it has begun to answer
// before it completes an upload.
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

// correctStatus sets the documented status of an error in a response with status 200. The SDK would treat every such error
// as status 500 and retry the request.
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

// Limits of the bodies of answers, in bytes. Those of objects have none.
const (
	maxAnswer   = 8 << 20  // larger than 1,000 keys of 1,024 bytes, each URL-encoded
	maxPageSize = 32 << 20 // larger than 1,000 keys with metadata
)

// limitAnswers fails a request if the body of its answer is too large: it is kept in memory.
func limitAnswers(stack *middleware.Stack) error {
	const id = "s3fs: limit answers"
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		answer, ok := out.RawResponse.(*smithyhttp.Response)
		operation, limit := middleware.GetOperationName(ctx), int64(maxAnswer)
		if operation == "ListObjectsV2" {
			limit = maxPageSize
		}
		if ok && (operation != "GetObject" || answer.StatusCode >= http.StatusMultipleChoices) {
			answer.Body = &limitedBody{answer.Body, limit, &tooLongError{operation, limit}}
		}
		return out, metadata, err
	}), middleware.After)
}

// A limitedBody is a body that fails after a number of bytes.
type limitedBody struct {
	io.ReadCloser
	left    int64
	tooLong *tooLongError
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return n - 1, b.tooLong
	}
	return n, err
}

// A tooLongError means that the answer to an operation is longer than the limit in bytes.
type tooLongError struct {
	operation string
	limit     int64
}

func (e *tooLongError) Error() string {
	return fmt.Sprintf("the answer to %s is longer than %d MiB, which S3 never sends: check --endpoint", e.operation, e.limit>>20)
}

// confirmWrites fails a request if its response does not confirm it, so that it is retried. The SDK takes any response with
// status 200 as a success, even one without a body or with the error page of a proxy.
func (c *Client) confirmWrites(stack *middleware.Stack) error {
	const id = "s3fs: confirm writes"
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleFinalize(ctx, in)
		if unreadable, ok := errors.AsType[*smithy.DeserializationError](err); ok {
			err = unreadableAnswer(err, unreadable)
		}
		if head, ok := out.Result.(*s3.HeadObjectOutput); err == nil && ok && !hasLength(head, metadata) {
			err = fmt.Errorf("%w: the response to HeadObject has no Content-Length", errUnconfirmed)
		}
		if err == nil && (!isConfirmation(out.Result) || isDeletion(out.Result) && c.features.supports(emptyAnswers, "") && !hasStatus(metadata, http.StatusNoContent)) {
			err = errUnconfirmed
		}
		return out, metadata, err
	}), "Retry", middleware.After)
}

// emptyETag is the ETag of an empty object.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// hasLength reports whether a response to HeadObject has the size of the object. A proxy that compresses responses removes
// Content-Length, and the object would look empty. For an empty object, HTTP allows a server to omit it.
func hasLength(head *s3.HeadObjectOutput, metadata middleware.Metadata) bool {
	return head.ContentLength != nil || answerHeader(metadata, storedLengthHeader) != "" || unquote(head.ETag) == emptyETag
}

// isDeletion reports whether a response is that of a deletion, which must have status 204.
func isDeletion(answer any) bool {
	switch answer.(type) {
	case *s3.DeleteObjectOutput, *s3.AbortMultipartUploadOutput:
		return true
	}
	return false
}

// isConfirmation reports whether a response has the fields that S3 always returns for its operation, such as the ETag. If
// not, it closes the body of the response.
func isConfirmation(answer any) bool {
	var etag *string
	switch out := answer.(type) {
	case *s3.PutObjectOutput:
		etag = out.ETag
	case *s3.CopyObjectOutput:
		if out.CopyObjectResult != nil {
			etag = out.CopyObjectResult.ETag
		}
	case *s3.CreateMultipartUploadOutput:
		etag = out.UploadId
	case *s3.UploadPartOutput:
		etag = out.ETag
	case *s3.UploadPartCopyOutput:
		if out.CopyPartResult != nil {
			etag = out.CopyPartResult.ETag
		}
	case *s3.CompleteMultipartUploadOutput:
		etag = out.ETag
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
	return unquote(etag) != ""
}

// A clock is the time of S3 from the Date headers of its responses, in seconds. The times of multipart uploads are compared
// with it, as the local clock may be wrong.
type clock struct {
	seconds atomic.Int64
	ahead   atomic.Int64 // of this machine's clock, in nanoseconds; valid if seconds is not 0
}

// note stores the time in the header of an answer to a request that was sent between two readings of this machine's clock.
func (c *clock) note(header string, before, after time.Time) {
	if t, err := http.ParseTime(header); err == nil {
		c.ahead.Store(int64(before.Add(after.Sub(before) / 2).Sub(t.Add(time.Second / 2)))) // Date has whole seconds
		c.seconds.Store(t.Unix())
	}
}

// aheadOfS3 returns how far this machine's clock was ahead of S3's at the latest answer. It is false before the first one.
func (c *clock) aheadOfS3() (time.Duration, bool) {
	return time.Duration(c.ahead.Load()), c.seconds.Load() != 0
}

// time returns the Date of the latest response, or the zero time before the first one.
func (c *clock) time() time.Time {
	if s := c.seconds.Load(); s != 0 {
		return time.Unix(s, 0).UTC()
	}
	return time.Time{}
}

// recordAnswers records from all responses the time of S3, and whether the service is MinIO.
func (c *Client) recordAnswers(stack *middleware.Stack) error {
	const id = "s3fs: record responses"
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		sent := time.Now()
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if answer, ok := out.RawResponse.(*smithyhttp.Response); ok && answer != nil {
			c.clock.note(answer.Header.Get("Date"), sent, time.Now())
			if strings.HasPrefix(answer.Header.Get("Server"), "MinIO") {
				c.isMinIO.Store(true)
			}
		}
		return out, metadata, err
	}), middleware.After)
}

// Google decompresses an object with Content-Encoding: gzip while it sends it, unless the request accepts gzip. The response
// then has no Content-Length, and Range is ignored. So s3fs requests such objects as they are stored.

// storedLengthHeader is the size of the object as it is stored.
const storedLengthHeader = "X-Goog-Stored-Content-Length"

// storedLength sets a missing ContentLength of HeadObject from storedLengthHeader.
func storedLength(stack *middleware.Stack) error {
	const id = "s3fs: stored length"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if head, ok := out.Result.(*s3.HeadObjectOutput); ok && err == nil && head.ContentLength == nil {
			if n, parseErr := strconv.ParseInt(answerHeader(metadata, storedLengthHeader), 10, 64); parseErr == nil {
				head.ContentLength = &n
			}
		}
		return out, metadata, err
	}), middleware.Before)
}

// answerHeader returns a response header that the SDK has no field for.
func answerHeader(metadata middleware.Metadata, name string) string {
	if answer, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); ok {
		return answer.Header.Get(name)
	}
	return ""
}

// hasStatus reports whether the answer to a request had this HTTP status.
func hasStatus(metadata middleware.Metadata, status int) bool {
	answer, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response)
	return ok && answer.StatusCode == status
}
