package s3fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// An advisedError is an error with the option or the permission that may help.
type advisedError struct {
	error
	advice string
}

// Error implements error.
func (e *advisedError) Error() string { return e.error.Error() + " (" + e.advice + ")" }

// Unwrap returns the error without the advice.
func (e *advisedError) Unwrap() error { return e.error }

// withAdvice adds advice to an error, unless there is none or the error has some.
func withAdvice(err error, advice string) error {
	if err == nil || advice == "" || Advice(err) != "" {
		return err
	}
	return &advisedError{err, advice}
}

// Advice names the option or the permission that may help against an error, "" if none is known. The text of the error has it too.
func Advice(err error) string {
	if e, ok := errors.AsType[*advisedError](err); ok {
		return e.advice
	}
	return ""
}

// An adviser is what advice depends on: no option is named that is set already.
type adviser struct {
	signed, pays, pathStyle bool
	region                  string
}

// advise adds advice to the errors of all requests of a client.
func (a *adviser) advise(stack *middleware.Stack) error {
	const id = "s3fs: advise"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if err != nil {
			err = withAdvice(err, a.adviceFor(operationOf(in.Parameters), err))
		}
		return out, metadata, err
	}), middleware.Before)
}

// operationOf returns the name of an operation by the type of its input.
func operationOf(parameters any) string {
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", parameters), "*s3."), "Input")
}

// permissions are what an operation needs, as AWS calls it.
var permissions = map[string]string{
	"AbortMultipartUpload":    "s3:AbortMultipartUpload",
	"CompleteMultipartUpload": "s3:PutObject",
	"CopyObject":              "s3:GetObject and s3:PutObject",
	"CreateMultipartUpload":   "s3:PutObject",
	"DeleteObject":            "s3:DeleteObject",
	"DeleteObjects":           "s3:DeleteObject",
	"GetObject":               "s3:GetObject",

	"GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
	"PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",

	"HeadObject":           "s3:GetObject and s3:ListBucket",
	"ListMultipartUploads": "s3:ListBucketMultipartUploads, without which broken uploads cannot be resumed",
	"ListObjectsV2":        "s3:ListBucket",
	"ListParts":            "s3:ListMultipartUploadParts, without which broken uploads cannot be resumed",
	"PutObject":            "s3:PutObject",
	"UploadPart":           "s3:PutObject",
	"UploadPartCopy":       "s3:GetObject and s3:PutObject",
}

var (
	expectedRegion = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)
	virtualHost    = regexp.MustCompile(`(?i)third level domain|virtual[- ]?host`)
	partNumber     = regexp.MustCompile(`(?i)part ?number`)
	highestNumber  = regexp.MustCompile(`(?i)1 (?:and|to) ([0-9]+)`)
	partsOfOneSize = regexp.MustCompile(`(?i)(?:same|equal) (?:length|size)`)
)

// adviceFor names the option or the permission that may help against an error of an operation, "" if none is known.
func (a *adviser) adviceFor(operation string, err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	code, message := api.ErrorCode(), api.ErrorMessage()
	region := regionOf(err)
	if found := expectedRegion.FindStringSubmatch(message); region == "" && found != nil {
		region = found[1]
	}
	switch {
	case region != "" && region != a.region:
		return "use --region " + region
	case strings.HasSuffix(code, "DomainForbidden"), a.pathStyle && virtualHost.MatchString(message):
		return "use --path-style off"
	case isDenied(err):
		return a.accessAdvice(operation)
	case refusesPartNumber(err):
		return "use --max-parts " + mostParts(message)
	case operation == "CompleteMultipartUpload":
		return completeAdvice(code, message)
	}
	return ""
}

// isDenied reports whether the credentials, or requests of this form, may not do what was requested. HEAD has no code but the status.
func isDenied(err error) bool {
	return slices.Contains([]string{"AccessDenied", "Forbidden"}, errorCode(err))
}

// accessAdvice lists what may help where access is denied, which has many causes.
func (a *adviser) accessAdvice(operation string) string {
	all := []string{"allow " + cmp.Or(permissions[operation], "s3:"+operation)}
	if !a.signed {
		all = append(all, "use --payload signed if a bucket policy demands signed payloads")
	}
	if !a.pays {
		all = append(all, "use --request-payer if the bucket is Requester Pays")
	}
	if a.pathStyle && operation == "HeadObject" {
		all = append(all, "use --path-style off if the service wants the bucket in the host")
	}
	return strings.Join(all, "; ")
}

// refusesPartNumber reports whether S3 does not take the number of a part.
func refusesPartNumber(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && status(err) == http.StatusBadRequest && slices.Contains([]string{"InvalidArgument", "InvalidPart", "InvalidPartNumber"}, api.ErrorCode()) &&
		partNumber.MatchString(api.ErrorMessage())
}

// mostParts returns the highest part number that the message of a refusal names. Without one it returns 1000, Scaleway's limit.
func mostParts(message string) string {
	if found := highestNumber.FindStringSubmatch(message); found != nil {
		return found[1]
	}
	return "1000"
}

// completeAdvice is for parts that were refused together. A part that was not found has another cause than their number or size.
func completeAdvice(code, message string) string {
	switch {
	case partsOfOneSize.MatchString(message):
		return "use --uniform-parts on"
	case slices.Contains([]string{"InvalidPart", "InvalidPartOrder"}, code) && !strings.Contains(message, "could not be found"):
		return "use --resume 0 if the service refuses parts that are not listed"
	}
	return ""
}
