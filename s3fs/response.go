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

	"github.com/s3ftpd/s3ftpd/proxy"
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

// confirmWrites makes errors of answers that confirm nothing, for all requests of a client that write. The SDK takes any answer with
// the status 200 for a success, even one without a body, or with the page of a proxy in it. Such a request is retried.
func (c *Client) confirmWrites(stack *middleware.Stack) error {
	const id = "s3fs: confirm writes"
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleFinalize(ctx, in)
		if unreadable, ok := errors.AsType[*smithy.DeserializationError](err); ok {
			err = fmt.Errorf("%w: %w", errUnconfirmed, unreadable)
		}
		if head, ok := out.Result.(*s3.HeadObjectOutput); err == nil && ok && !hasLength(head, metadata) {
			err = fmt.Errorf("%w: HEAD tells no length", errUnconfirmed)
		}
		if err == nil && (!isConfirmation(out.Result) || isDeletion(out.Result) && c.features.supports(emptyAnswers, "") && !hasStatus(metadata, http.StatusNoContent)) {
			err = errUnconfirmed
		}
		return out, metadata, err
	}), "Retry", middleware.After)
}

// emptyETag is that of an object without content.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// hasLength reports whether an answer to HEAD tells how long the object is. A proxy that compresses answers removes
// Content-Length, and the object would be taken for an empty one. HTTP lets a server leave it out for an empty one.
func hasLength(head *s3.HeadObjectOutput, metadata middleware.Metadata) bool {
	return head.ContentLength != nil || answerHeader(metadata, storedLengthHeader) != "" || unquote(head.ETag) == emptyETag
}

// isDeletion reports whether an answer is to a deletion, which S3 answers by 204 and nothing else.
func isDeletion(answer any) bool {
	switch answer.(type) {
	case *s3.DeleteObjectOutput, *s3.AbortMultipartUploadOutput:
		return true
	}
	return false
}

// isConfirmation reports whether an answer has what S3 tells of everything that it has written, or that is read. It closes the
// content of an answer that has not.
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

// A clock is that of S3, as the header Date of its answers tells it, in seconds. The times of multipart uploads are compared with it: the
// clock of this machine may be wrong.
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

// time returns the time of S3's latest answer. It is zero before the first one.
func (c *clock) time() time.Time {
	if s := c.seconds.Load(); s != 0 {
		return time.Unix(s, 0).UTC()
	}
	return time.Time{}
}

// recordAnswers notes of all answers S3's time, and whether the service shows itself as MinIO.
func (c *Client) recordAnswers(stack *middleware.Stack) error {
	const id = "s3fs: note answers"
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

// Google uncompresses an object that is stored with Content-Encoding: gzip as it sends it, unless the request accepts
// gzip. Such an answer has no Content-Length, and takes no Range. What is stored has both, so that is asked for.

// storedLengthHeader tells how long the stored object is.
const storedLengthHeader = "X-Goog-Stored-Content-Length"

// storedLength makes HEAD tell the length of what is stored, for all requests of a client.
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

// answerHeader returns a header of an answer that the SDK does not tell.
func answerHeader(metadata middleware.Metadata, name string) string {
	if answer, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); ok {
		return answer.Header.Get(name)
	}
	return ""
}

// acceptGzip asks for an object as it is stored. The header is not signed, as Google's front end changes it.
func acceptGzip(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("s3fs: as stored", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				req.Header.Set("Accept-Encoding", "gzip")
			}
			return next.HandleFinalize(ctx, in)
		}), "Signing", middleware.After)
	})
}

// getWithLength asks for an object, and for how long the answer is, see exactBody. Requests for the rest of the object
// take the same options.
func (f *FS) getWithLength(ctx context.Context, in *s3.GetObjectInput, at proxy.Range) (out *s3.GetObjectOutput, options []func(*s3.Options), err error) {
	out, err = f.client.getWithChecksum(ctx, in)
	if err != nil || out.ContentLength != nil {
		return out, nil, err
	}
	if answerHeader(out.ResultMetadata, "X-Goog-Stored-Content-Encoding") == "gzip" {
		out.Body.Close()
		options = append(options, acceptGzip)
		out, err = f.client.getWithChecksum(ctx, in, options...)
		if err != nil || out.ContentLength != nil {
			return out, options, err
		}
	}
	if err = f.findLength(ctx, in, out, at); err != nil {
		out.Body.Close()
		return nil, nil, err
	}
	return out, options, nil
}

// findLength finds the length of an answer that does not tell it: by the range that it is of, or by HEAD.
func (f *FS) findLength(ctx context.Context, in *s3.GetObjectInput, out *s3.GetObjectOutput, at proxy.Range) error {
	size := int64(-1)
	r, ranged := parseRange(out.ContentRange)
	if ranged {
		size = r.total
	} else if head, err := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key}); err != nil {
		return err
	} else if head.ContentLength != nil && out.ETag != nil && unquote(head.ETag) == unquote(out.ETag) {
		size = *head.ContentLength
	}
	if size < at.Offset {
		return errors.New("the service does not tell how long the object is")
	}
	length := size - at.Offset
	if ranged && at.Length > 0 {
		length = min(length, at.Length)
	}
	out.ContentLength = &length
	body := &exactBody{ReadCloser: out.Body, remaining: length}
	out.Body = body
	if body.remaining == 0 {
		return body.checkEnd()
	}
	return nil
}

// An exactBody is the body of an answer that does not tell its length. It fails if it is longer or shorter than left,
// and gives out its last bytes only when it has ended.
type exactBody struct {
	io.ReadCloser
	remaining int64
}

// Read implements io.Reader.
func (b *exactBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.remaining)])
	b.remaining -= int64(n)
	switch {
	case err == io.EOF && b.remaining > 0:
		return n, io.ErrUnexpectedEOF
	case err == nil && b.remaining == 0 && n > 0:
		if err := b.checkEnd(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// checkEnd checks that the body has no more bytes.
func (b *exactBody) checkEnd() error {
	n, err := io.ReadFull(b.ReadCloser, make([]byte, 1))
	switch {
	case n > 0:
		return errors.New("the service sends more bytes than the object has")
	case err != io.EOF:
		return fmt.Errorf("the end of an answer without a length: %w", err)
	}
	return nil
}
