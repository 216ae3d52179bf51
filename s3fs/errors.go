package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"syscall"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// words translates S3's error codes. Any other code means that the service failed, or is not set up as it should be.
var words = map[string]error{
	"NoSuchKey":                 fs.ErrNotExist,
	"NotFound":                  fs.ErrNotExist, // to HEAD, whose answer has no body to say more
	"AccessDenied":              fs.ErrPermission,
	"AllAccessDisabled":         fs.ErrPermission,
	"AccountProblem":            fs.ErrPermission,
	"Forbidden":                 fs.ErrPermission, // to HEAD
	"InvalidObjectState":        fs.ErrPermission, // archived, and not restored
	"MethodNotAllowed":          errors.ErrUnsupported,
	"NotImplemented":            errors.ErrUnsupported,
	"InvalidRange":              syscall.ESPIPE,
	"EntityTooLarge":            syscall.EFBIG,
	"QuotaExceeded":             syscall.ENOSPC,
	"XMinioStorageFull":         syscall.ENOSPC,
	"KeyTooLongError":           fs.ErrInvalid,
	"InvalidURI":                fs.ErrInvalid,
	"InvalidObjectName":         fs.ErrInvalid,
	"XMinioInvalidObjectName":   fs.ErrInvalid,
	"XMinioInvalidResourceName": fs.ErrInvalid,
	"NoSuchBucket":              errors.New("the bucket does not exist"),
}

// translate puts S3's errors into the words of io/fs and syscall, for all requests of a client.
func translate(stack *middleware.Stack) error {
	const id = "s3fs: translate errors"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if api, ok := errors.AsType[smithy.APIError](err); ok && words[api.ErrorCode()] != nil {
			err = fmt.Errorf("%w: %w", words[api.ErrorCode()], err)
		}
		return out, metadata, err
	}), middleware.Before)
}

// wrap says what was being done to which name; nil stays nil.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// precondition reports whether S3 refused because of what is there already.
func precondition(err error) bool {
	return slices.Contains([]int{http.StatusPreconditionFailed, http.StatusConflict}, status(err))
}

// gone reports whether S3 no longer knows the multipart upload.
func gone(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "NoSuchUpload"
}

// status returns the HTTP status of S3's answer, 0 if there was none.
func status(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}
