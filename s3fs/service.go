package s3fs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A Service says which S3 service to use, and as whom. The zero value is what the AWS SDK finds in the environment,
// in its files and in the machine it runs on.
type Service struct {
	Endpoint    string                  // URL; empty = the SDK's, AWS in the end
	Region      string                  // empty = the SDK's, us-east-1 in the end
	PathStyle   *bool                   // the bucket is in the path, not in the host; nil = where there is an endpoint
	Checksum    string                  // crc32c, crc32, sha256, md5, none, or auto, the default: crc32c, or md5 if refused
	Timeout     time.Duration           // silence in mid-request after which it has failed; 0 = 30 s
	Credentials aws.CredentialsProvider // nil = the SDK's chain
	HTTPClient  s3.HTTPClient           // nil = one of our own, which is the one that keeps Timeout
	Log         *slog.Logger            // nil = none
}

// A Client talks to an S3 service. Many FS can share it.
type Client struct {
	api       *s3.Client
	http      s3.HTTPClient
	checksum  string
	refuses   atomic.Bool // the service refuses CRC32C
	uploads   uploads
	leftovers leftovers
	silent    atomic.Bool // the service refuses to tell checksums
	log       *slog.Logger
}

// How often a request is tried. Parts are tried longer, because more is lost with them.
const (
	attempts     = 4
	partAttempts = 8
	maxBackoff   = 20 * time.Second
)

// Dial prepares a client. It may look for credentials, but sends nothing to S3: it fails if s makes no sense.
func Dial(ctx context.Context, s Service) (*Client, error) {
	c := &Client{checksum: cmp.Or(s.Checksum, auto), http: s.HTTPClient, log: s.Log}
	if !slices.Contains(algorithms, c.checksum) {
		return nil, fmt.Errorf("checksum %q: must be one of %s", s.Checksum, strings.Join(algorithms, ", "))
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	sdk, err := config.LoadDefaultConfig(ctx, func(o *config.LoadOptions) error {
		o.Region, o.Credentials, o.BaseEndpoint = s.Region, s.Credentials, s.Endpoint
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("finding out how to use S3: %w", err)
	}
	if c.http == nil {
		timeout := cmp.Or(s.Timeout, 30*time.Second)
		dialer := &net.Dialer{Timeout: min(timeout, 10*time.Second), KeepAlive: 15 * time.Second}
		h := newHTTPClient(timeout, dialer.DialContext)
		if theirs, ok := sdk.HTTPClient.(*awshttp.BuildableClient); ok {
			h.transport.TLSClientConfig = theirs.GetTransport().TLSClientConfig // with AWS_CA_BUNDLE
		}
		h.onMute = func() {
			c.log.Warn("the service does not know Expect: 100-continue; a file whose upload it did not answer may still appear later")
		}
		c.http = h
	}
	c.api = s3.NewFromConfig(sdk, func(o *s3.Options) {
		o.HTTPClient = c.http
		o.Region = cmp.Or(o.Region, "us-east-1")
		o.UsePathStyle = o.BaseEndpoint != nil
		if s.PathStyle != nil {
			o.UsePathStyle = *s.PathStyle
		}
		// Checksums are ours to send, as plain headers: the trailers that the SDK sends cost as much again, and many
		// services refuse them. They cover the content; signing it too would double the work.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.ContinueHeaderThresholdBytes = -1 // the client sends Expect where it matters, see handOver
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware, translate, confirm)
		o.Retryer, o.RetryMaxAttempts = newRetryer(sdk.Credentials), 0
	})
	return c, nil
}

// Close closes the connections that are not in use, and gives up what the client would do by itself.
func (c *Client) Close() {
	c.leftovers.close()
	if h, ok := c.http.(interface{ CloseIdleConnections() }); ok {
		h.CloseIdleConnections()
	}
}

// newRetryer returns the SDK's standard one, without its allowance of retries for the client as a whole: with that,
// the trouble of one transfer would leave none for the others.
func newRetryer(credentials aws.CredentialsProvider) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = maxBackoff
		o.RateLimiter = ratelimit.None
		damaged := make(map[string]struct{})
		for _, code := range badSum {
			damaged[code] = struct{}{}
		}
		o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: damaged}, tooMany, brokenOff, expired{credentials})
	})
}

// persistent makes a request be tried longer than others.
func persistent(o *s3.Options) { o.RetryMaxAttempts = partAttempts }
