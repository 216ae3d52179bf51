package s3fs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A RequestError is the error of every request that fails. Its text is S3's or the network's, without the SDK's words.
type RequestError struct {
	Operation    string // as AWS calls it, such as PutObject
	Service      string // that failed, such as STS: the credentials for a request to S3 are from it; empty = S3
	Bucket       string // of the request; empty = none
	Endpoint     string // URL of the service, without a path; empty = the request was not sent
	Status       int    // of the answer; 0 = there was none
	Code         string // of S3's error, or of the status if the answer has none
	Message      string
	ID           string // of the request, for S3's operator
	Region       string // that the request was signed for
	BucketRegion string // that the bucket is in, as S3 says; empty = it does not
	PathStyle    bool   // the bucket is in the path of the URL
	Sent         string // "HTML" or "text" if the answer is not S3's
	Speaks       string // "http" or "https" if the endpoint does not speak the protocol of its URL
	NoKeys       bool   // the SDK found no credentials
	err          error
}

// Error implements error.
func (e *RequestError) Error() string {
	says := cmp.Or(e.Service, "S3") + " says "
	tooLong, isTooLong := errors.AsType[*tooLongError](e.err)
	switch {
	case isTooLong:
		return tooLong.Error()
	case e.NoKeys:
		return "no credentials"
	case e.Code != "" && e.Message != "" && e.Message != e.Code && e.Message != "UnknownError":
		return says + e.Code + ", " + strings.TrimRight(e.Message, ". ")
	case e.Code != "":
		return says + e.Code
	case e.Status >= http.StatusMultipleChoices:
		return fmt.Sprintf("the answer has the status %d", e.Status)
	}
	return withoutSDK(e.err).Error()
}

// Unwrap returns the SDK's error.
func (e *RequestError) Unwrap() error { return e.err }

// Actions returns the permissions that the operation needs, as AWS calls them, e.g. s3:PutObject.
func (e *RequestError) Actions() []string { return operationActions[e.Operation] }

// withoutSDK removes the wrappers of the SDK and of net/http, which repeat the URL and the operation.
func withoutSDK(err error) error {
	for {
		switch err.(type) {
		case *smithy.OperationError, *smithy.CanceledError, *smithy.DeserializationError, *aws.RequestCanceledError, *retry.MaxAttemptsError,
			*smithyhttp.RequestSendError, answeredError, *url.Error, *exchangeError:
		default:
			return err
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// An answeredError is one of the SDK's types of errors that have the status of an answer.
type answeredError interface{ HTTPStatusCode() int }

// describeErrors makes a RequestError of the error of each request of a client.
func describeErrors(o *s3.Options) func(*middleware.Stack) error {
	const id = "s3fs: describe errors"
	region, pathStyle := o.Region, o.UsePathStyle
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if err != nil {
				e := newRequestError(operationOf(in.Parameters), err)
				e.Bucket, e.Region, e.PathStyle = bucketOf(in.Parameters), region, pathStyle
				err = e
			}
			return out, metadata, err
		}), middleware.Before)
	}
}

// operationOf returns the name of an operation by the type of its input.
func operationOf(parameters any) string {
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", parameters), "*s3."), "Input")
}

// bucketOf returns the bucket in an operation's input; "" = it has none.
func bucketOf(parameters any) string {
	v := reflect.Indirect(reflect.ValueOf(parameters))
	if v.Kind() != reflect.Struct {
		return ""
	}
	field := v.FieldByName("Bucket")
	if !field.IsValid() {
		return ""
	}
	bucket, _ := reflect.TypeAssert[*string](field)
	return aws.ToString(bucket)
}

var expectedRegion = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

func newRequestError(operation string, err error) *RequestError {
	e := &RequestError{Operation: operation, Status: status(err), BucketRegion: regionOf(err), NoKeys: lacksKeys(err), err: err}
	if of, ok := errors.AsType[*smithy.OperationError](err); ok && of.Service() != s3.ServiceID && !e.NoKeys {
		e.Service, e.Operation = of.Service(), of.Operation()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && !e.NoKeys {
		e.Code, e.Message = api.ErrorCode(), api.ErrorMessage()
	}
	if found := expectedRegion.FindStringSubmatch(e.Message); e.BucketRegion == "" && found != nil {
		e.BucketRegion = found[1]
	}
	if x, ok := errors.AsType[*exchangeError](err); ok {
		e.Endpoint, e.ID, e.Status, e.Sent, e.Speaks = x.endpoint, requestID(err), cmp.Or(e.Status, x.status), x.sent(), x.speaks()
	}
	return e
}

// An identifiedError is one of the SDK's types of errors that have the ID of a request.
type identifiedError interface{ ServiceRequestID() string }

func requestID(err error) string {
	if e := identifiedError(nil); errors.As(err, &e) {
		return e.ServiceRequestID()
	}
	return ""
}

// lacksKeys reports whether a request was not sent because no credentials are configured: the SDK asked for those of an EC2
// instance last, and found none. Configured credentials that cannot be renewed at the moment are another failure, which may pass.
func lacksKeys(err error) bool {
	return err != nil && strings.Contains(err.Error(), "get identity: get credentials: ") && strings.Contains(err.Error(), "no EC2 IMDS role found")
}

// An exchangeError is the error of one attempt of a request, with what is known of the answer.
type exchangeError struct {
	endpoint string
	status   int
	bare     bool   // the answer has no header
	begin    []byte // of the answer's body
	err      error
}

func (e *exchangeError) Error() string { return e.err.Error() }
func (e *exchangeError) Unwrap() error { return e.err }

// unreadableAnswer returns errUnconfirmed for an answer that the SDK could not read. The error has no status: S3 may have obeyed.
func unreadableAnswer(err error, unreadable *smithy.DeserializationError) error {
	cause := withoutSDK(unreadable)
	if x, ok := errors.AsType[*exchangeError](err); ok {
		inner := *x
		inner.err = unreadable
		return fmt.Errorf("%w: %w", errUnconfirmed, &describedError{cause.Error(), &inner})
	}
	return fmt.Errorf("%w: %w", errUnconfirmed, &describedError{cause.Error(), unreadable})
}

// A describedError is an error with another text.
type describedError struct {
	text string
	error
}

func (e *describedError) Error() string { return e.text }
func (e *describedError) Unwrap() error { return e.error }

// beginLength is how much of an answer's body is looked at to recognize one that is not S3's.
const beginLength = 512

// noteExchanges makes an exchangeError of each failed attempt of a request. It also reads the begin of answers that may
// not be S3's: those with an error, and pages.
func noteExchanges(stack *middleware.Stack) error {
	type beginKey struct{}
	if err := stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("s3fs: read the begin of answers", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if answer, ok := out.RawResponse.(*smithyhttp.Response); ok && (answer.StatusCode >= http.StatusMultipleChoices || isPage(answer)) {
			begin := make([]byte, beginLength)
			n, _ := io.ReadFull(answer.Body, begin) // the next read returns the same error
			answer.Body = prefixedBody{io.MultiReader(bytes.NewReader(begin[:n]), answer.Body), answer.Body}
			metadata.Set(beginKey{}, begin[:n])
		}
		return out, metadata, err
	}), middleware.After); err != nil {
		return err
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("s3fs: note exchanges", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if err == nil {
			return out, metadata, nil
		}
		e := &exchangeError{err: err}
		if req, ok := in.Request.(*smithyhttp.Request); ok {
			e.endpoint = req.URL.Scheme + "://" + req.URL.Host
		}
		if answer, ok := out.RawResponse.(*smithyhttp.Response); ok {
			e.status, e.bare = answer.StatusCode, len(answer.Header) == 0
		}
		e.begin, _ = metadata.Get(beginKey{}).([]byte)
		return out, metadata, e
	}), middleware.Before)
}

// isPage reports whether an answer may be a web page in place of S3's.
func isPage(answer *smithyhttp.Response) bool {
	h := answer.Header
	return strings.HasPrefix(h.Get("Content-Type"), "text/html") && h.Get("ETag") == "" && h.Get("X-Amz-Request-Id") == ""
}

// A prefixedBody is a body of which a part was read before.
type prefixedBody struct {
	io.Reader
	io.Closer
}

var (
	htmlBegin  = regexp.MustCompile(`(?i)^\s*<(!doctype html|html|head|body)\b`)
	tlsWanted  = regexp.MustCompile(`(?i)HTTP request .*HTTPS|plain HTTP to an SSL`) // of Go and MinIO, of nginx, and of Apache
	tlsAlert   = `malformed HTTP response "\x15\x03`
	httpAnswer = "server gave HTTP response to HTTPS client"
)

// sent says what the answer is if it is not S3's, else "".
func (e *exchangeError) sent() string {
	switch {
	case htmlBegin.Match(e.begin):
		return "HTML"
	case len(bytes.TrimSpace(e.begin)) > 0 && bytes.TrimSpace(e.begin)[0] != '<', strings.Contains(e.err.Error(), "malformed HTTP"):
		return "text"
	}
	return ""
}

// speaks returns the scheme that the endpoint speaks if it is not that of its URL, else "".
func (e *exchangeError) speaks() string {
	secure := strings.HasPrefix(e.endpoint, "https:")
	switch text := e.err.Error(); {
	case secure:
		if strings.Contains(text, httpAnswer) {
			return "http"
		}
	case strings.Contains(text, tlsAlert):
		return "https"
	case e.status == http.StatusBadRequest: // the text of an answer without a header can be lost, as the connection is reset
		if tlsWanted.Match(e.begin) || e.bare && len(e.begin) == 0 {
			return "https"
		}
	}
	return ""
}

// hopeless stops the retries of requests that would fail again: no keys, a certificate that is not
// trusted, the wrong scheme, an endless answer.
var hopeless = retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
	x, _ := errors.AsType[*exchangeError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, tooLong := errors.AsType[*tooLongError](err)
	if untrusted || tooLong || lacksKeys(err) || x != nil && x.speaks() != "" {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
})

var (
	partNumber    = regexp.MustCompile(`(?i)part ?number`)
	highestNumber = regexp.MustCompile(`(?i)1 (?:and|to) ([0-9]+)`)
)

// refusesPartNumber reports whether S3 does not take the number of a part.
func refusesPartNumber(err error) bool {
	e, ok := errors.AsType[*RequestError](err)
	return ok && e.MaxPart() != ""
}

// MaxPart returns the highest part number that the service takes if it refused a higher one, else "". A refusal that names
// without one it returns 1000, Scaleway's limit.
func (e *RequestError) MaxPart() string {
	if e.Status != http.StatusBadRequest || !slices.Contains([]string{"InvalidArgument", "InvalidPart", "InvalidPartNumber"}, e.Code) ||
		!partNumber.MatchString(e.Message) {
		return ""
	}
	if found := highestNumber.FindStringSubmatch(e.Message); found != nil {
		return found[1]
	}
	return "1000"
}

// regionOf returns the region of the bucket from the response to a failed request, or "".
func regionOf(err error) string {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return ""
}
