package s3fs

import (
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// tooMany makes requests be repeated that a service throttles with 429, where AWS has 503.
var tooMany = retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}}

// brokenOff makes requests be repeated whose answer ended in the middle.
var brokenOff = retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
})

// expired makes a request be repeated with fresh credentials where S3 takes those it had for expired, which they can be
// before their time.
type expired struct{ credentials aws.CredentialsProvider }

// IsErrorRetryable implements retry.IsErrorRetryable.
func (e expired) IsErrorRetryable(err error) aws.Ternary {
	cache, ok := e.credentials.(*aws.CredentialsCache)
	if !ok || !slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}, errorCode(err)) {
		return aws.UnknownTernary
	}
	cache.Invalidate()
	return aws.TrueTernary
}
