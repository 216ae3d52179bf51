package s3fs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// Limits of retries. Parts have more attempts, because a failed part fails a long upload.
const (
	attempts     = 4
	partAttempts = 8
	maxBackoff   = 20 * time.Second
)

// newRetryer returns the SDK's standard retryer without its rate limit, a retry quota for the whole client: one failing
// transfer could use up the quota of all others.
func newRetryer(credentials aws.CredentialsProvider, backoff time.Duration) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = silenceBackoff{retry.NewExponentialJitterBackoff(backoff)}
		o.RateLimiter = ratelimit.None
		damaged := make(map[string]struct{})
		for _, code := range checksumMismatchCodes {
			damaged[code] = struct{}{}
		}
		o.Retryables = append([]retry.IsErrorRetryable{silentService, hopeless}, o.Retryables...)
		o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: damaged}, throttled, truncated, unconfirmed, expiredCredentials{credentials})
	})
}

// withPartAttempts sets the attempts of a request to partAttempts.
func withPartAttempts(o *s3.Options) { o.RetryMaxAttempts = partAttempts }

// throttled retries requests that a service throttles with 429. AWS uses 503.
var throttled = retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}}

// truncated retries requests if the response ended early.
var truncated = retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
})

// unconfirmed retries requests if the response is not from S3, such as an error page of a proxy.
var unconfirmed = retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
	if _, unreadable := errors.AsType[*smithy.DeserializationError](err); unreadable || errors.Is(err, errUnconfirmed) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
})

// expiredCredentials retries a request with new credentials if S3 says that the cached ones have expired. They can expire
// early.
type expiredCredentials struct{ credentials aws.CredentialsProvider }

// IsErrorRetryable implements retry.IsErrorRetryable.
func (e expiredCredentials) IsErrorRetryable(err error) aws.Ternary {
	cache, ok := e.credentials.(*aws.CredentialsCache)
	if !ok || !slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}, errorCode(err)) {
		return aws.UnknownTernary
	}
	cache.Invalidate()
	return aws.TrueTernary
}

// shareAttempts lets s3http recognize the attempts of one operation.
func shareAttempts(stack *middleware.Stack) error {
	const id = "s3fs: share attempts"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(s3http.WithAttempts(ctx), in)
	}), middleware.Before)
}

// silentService stops the retries of a request if S3 answers no other requests either.
var silentService = retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
	if silent, ok := errors.AsType[*s3http.SilentError](err); ok && silent.Last {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
})

// silenceBackoff retries without a delay after a timeout, which was delay enough.
type silenceBackoff struct{ retry.BackoffDelayer }

// BackoffDelay implements retry.BackoffDelayer.
func (b silenceBackoff) BackoffDelay(attempt int, err error) (time.Duration, error) {
	if _, silent := errors.AsType[*s3http.SilentError](err); silent {
		return 0, nil
	}
	return b.BackoffDelayer.BackoffDelay(attempt, err)
}

// An attemptCount counts the attempts of one request.
type attemptCount struct {
	sent      int
	ambiguous int // attempts that S3 may have executed despite an error, such as a lost answer
}

// countAttempts returns an option that counts the attempts of a request. The refusal of the last attempt says nothing
// about an earlier one.
func countAttempts(t *attemptCount) func(*s3.Options) {
	const id = "s3fs: count"
	count := middleware.FinalizeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		t.sent++
		out, metadata, err := next.HandleFinalize(ctx, in)
		if maybeExecuted(err) {
			t.ambiguous++
		}
		return out, metadata, err
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(count, "Retry", middleware.After)
		})
	}
}

// noRetry disables the retries of a request: it is expected to fail, or the caller retries.
func noRetry(o *s3.Options) { o.RetryMaxAttempts = 1 }

var backoff = retry.NewExponentialJitterBackoff(maxBackoff)
