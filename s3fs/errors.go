package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// ErrNoBucket says that the bucket does not exist.
var ErrNoBucket = errors.New("the bucket does not exist")

// errorsByCode translates S3's error codes. Any other code means that the service failed, is overloaded (SlowDown), or is not set up as it
// should be: such a request is repeated where that can help, see client_retry.go, and its error has no word of io/fs.
var errorsByCode = map[string]error{
	"NoSuchKey":                  fs.ErrNotExist,
	"NotFound":                   fs.ErrNotExist, // to HEAD: its answer has no body
	"AccessDenied":               fs.ErrPermission,
	"AllAccessDisabled":          fs.ErrPermission,
	"AccountProblem":             fs.ErrPermission,
	"Forbidden":                  fs.ErrPermission, // to HEAD
	"InvalidObjectState":         fs.ErrPermission, // archived, and not restored
	"ObjectNotInActiveTierError": fs.ErrPermission, // the same, of a copy's source
	"MethodNotAllowed":           errors.ErrUnsupported,
	"NotImplemented":             errors.ErrUnsupported,
	"InvalidRange":               syscall.ESPIPE,
	"MetadataTooLarge":           syscall.E2BIG,
	"EntityTooLarge":             syscall.EFBIG,
	"QuotaExceeded":              syscall.ENOSPC,
	"XMinioStorageFull":          syscall.ENOSPC,
	"KeyTooLongError":            fs.ErrInvalid,
	"InvalidURI":                 fs.ErrInvalid,
	"InvalidObjectName":          fs.ErrInvalid,
	"XMinioInvalidObjectName":    fs.ErrInvalid,
	"XMinioInvalidResourceName":  fs.ErrInvalid,
	"NoSuchBucket":               ErrNoBucket,

	"KeyTooLong":                     fs.ErrInvalid,
	"NoSuchVersion":                  fs.ErrNotExist,
	"InsufficientStorage":            syscall.ENOSPC,
	"XMinioAdminBucketQuotaExceeded": syscall.ENOSPC,
	"MissingContentLength":           errors.ErrUnsupported, // a copy was taken for an upload: the service does not know it
}

// translate puts S3's errors into the words of io/fs and syscall, for all requests of a client.
func translate(stack *middleware.Stack) error {
	const id = "s3fs: translate errors"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if word := sentinelFor(err); word != nil {
			err = fmt.Errorf("%w: %w", word, err)
		}
		return out, metadata, err
	}), middleware.Before)
}

// sentinelFor returns the error of io/fs or syscall for an error of S3, nil if none fits.
func sentinelFor(err error) error {
	// The 404 of a web page does not mean that there is no such file.
	if x, ok := errors.AsType[*exchangeError](err); !ok || x.sent() == "" {
		if word := errorsByCode[errorCode(err)]; word != nil {
			return word
		}
	}
	switch status(err) { // whatever this service calls it
	case http.StatusInsufficientStorage:
		return syscall.ENOSPC
	case http.StatusLengthRequired: // see MissingContentLength
		return errors.ErrUnsupported
	}
	return nil
}

// wrap adds the operation and the name to an error; nil stays nil.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// isConditionFailed reports whether a condition of a request does not hold for the object that exists.
func isConditionFailed(err error) bool {
	if errors.Is(err, errConditionFailed) {
		return true
	}
	return slices.Contains([]int{http.StatusPreconditionFailed, http.StatusConflict}, status(err)) && !isConflict(err)
}

// isObjectChanged reports whether a request about an existing object failed because another session has replaced or
// deleted the object since.
func isObjectChanged(err error) bool { return isConditionFailed(err) || errors.Is(err, fs.ErrNotExist) }

// isRejected reports whether S3 understood a request but did not execute it. A redirection counts as a rejection.
func isRejected(err error) bool {
	if errors.Is(err, errConditionFailed) {
		return true
	}
	s := status(err)
	return s >= http.StatusMultipleChoices && s < http.StatusInternalServerError
}

// isAmbiguous reports whether S3 may have executed a request despite its error: an attempt was not answered, S3
// failed while executing it, or the condition of a retry does not hold because the first attempt succeeded.
func isAmbiguous(err error, t attemptCount) bool {
	switch {
	case err == nil:
		return false
	case t.ambiguous > 0:
		return true
	case sentinelFor(err) == nil && (isConditionFailed(err) || isConflict(err)):
		return t.sent > 1
	}
	return maybeExecuted(err)
}

// maybeExecuted reports whether S3 may have executed one attempt of a request despite its error.
func maybeExecuted(err error) bool { return err != nil && sentinelFor(err) == nil && !isRejected(err) }

// isTransient reports whether the same request may succeed later.
func isTransient(err error) bool {
	return !isRejected(err) || status(err) == http.StatusTooManyRequests
}

// isUnanswered reports whether all attempts of a request were made and S3 answered none.
func isUnanswered(err error) bool {
	if silent, ok := errors.AsType[*s3http.SilentError](err); ok && silent.Last {
		return true
	}
	_, exhausted := errors.AsType[*retry.MaxAttemptsError](err)
	return exhausted && status(err) == 0 && !errors.Is(err, errUnconfirmed)
}

// isNoSuchUpload reports whether S3 no longer knows the multipart upload.
func isNoSuchUpload(err error) bool { return errorCode(err) == "NoSuchUpload" }

// errorCode returns S3's word for the error, "" if it has none.
func errorCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// status returns the HTTP status of S3's answer, 0 if there was none.
func status(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}

// errConditionFailed means that a condition is not met.
var errConditionFailed = errors.New("the condition is not met")

// isConflict reports whether S3 refused a request because another one for the same key was in progress.
func isConflict(err error) bool {
	return slices.Contains([]string{"ConditionalRequestConflict", "OperationAborted"}, errorCode(err))
}

// errUnconfirmed means that a response is incomplete or not from S3, so the result of the request is unknown.
var errUnconfirmed = errors.New("S3 did not confirm the request")
