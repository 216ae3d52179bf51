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
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// A Service says which S3 service to use, and as whom. The zero value is what the AWS SDK finds in the environment,
// in its files and in the machine it runs on.
type Service struct {
	Endpoint     string                  // URL; empty = the SDK's, AWS in the end
	Region       string                  // empty = the SDK's, us-east-1 in the end
	PathStyle    *bool                   // the bucket is in the path, not in the host; nil = where there is an endpoint, unless it is known to want the host
	Checksum     string                  // crc32c, crc32, sha256, md5, none, or auto, the default: crc32c, or md5 if refused
	Payload      string                  // signed or unsigned, the default: whether signatures cover the content of requests
	RequestPayer bool                    // for buckets whose requester pays
	Timeout      time.Duration           // silence in mid-request after which it has failed; 0 = 30 s
	MaxBackoff   time.Duration           // the longest wait before a request is repeated; 0 = 20 s
	Credentials  aws.CredentialsProvider // nil = the SDK's chain
	Registry     *Registry               // of what the process changes at this service; nil = one for this client alone
	HTTPClient   s3.HTTPClient           // nil = one of our own, which is the one that keeps Timeout
	Log          *slog.Logger            // nil = none
}

// A Client talks to an S3 service. Many FS can share it.
type Client struct {
	api        *s3.Client
	http       s3.HTTPClient
	checksum   string
	features   features
	timeout    time.Duration // Service.Timeout
	names      *nameLocks    // of Service.Registry, as are uploads
	uploads    *uploadRegistry
	background background
	clock      clock
	minio      atomic.Bool     // the service has shown itself as MinIO
	times      keptTimes       // for listings
	redirected atomic.Int64    // until when a redirection is expected, in Unix nanoseconds; see followRedirects
	stopping   context.Context // ends with Stop; nil = it is never called
	stop       context.CancelFunc
	log        *slog.Logger
}

// Dial prepares a client. It may look for credentials, but sends nothing to S3: it fails if s makes no sense.
func Dial(ctx context.Context, s Service) (*Client, error) {
	c := &Client{checksum: cmp.Or(s.Checksum, auto), http: s.HTTPClient, timeout: cmp.Or(s.Timeout, 30*time.Second), log: s.Log}
	if !slices.Contains(algorithms, c.checksum) {
		return nil, fmt.Errorf("checksum %q: must be one of %s", s.Checksum, strings.Join(algorithms, ", "))
	}
	if !slices.Contains(payloads, cmp.Or(s.Payload, unsignedPayload)) {
		return nil, fmt.Errorf("payload %q: must be one of %s", s.Payload, strings.Join(payloads, ", "))
	}
	registry := cmp.Or(s.Registry, new(Registry))
	c.names, c.uploads = &registry.names, &registry.uploads
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.features.log = c.log
	c.stopping, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	sdk, err := config.LoadDefaultConfig(ctx, func(o *config.LoadOptions) error {
		o.Region, o.Credentials, o.BaseEndpoint = s.Region, s.Credentials, s.Endpoint
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("finding out how to use S3: %w", err)
	}
	if c.http == nil {
		dialer := &net.Dialer{Timeout: min(c.timeout, 10*time.Second), KeepAlive: 15 * time.Second}
		h := s3http.Config{Timeout: c.timeout, Dial: dialer.DialContext, Log: c.log}
		if theirs, ok := sdk.HTTPClient.(*awshttp.BuildableClient); ok {
			h.TLS = theirs.GetTransport().TLSClientConfig // with AWS_CA_BUNDLE
		}
		c.http = c.features.newHTTPClient(h)
	}
	c.api = s3.NewFromConfig(sdk, func(o *s3.Options) { c.configure(o, s) })
	return c, nil
}

// configure sets the SDK's options.
//
// Checksums are ours to send, as plain headers: the trailers that the SDK sends cost as much again, and many services refuse them. They
// cover the content; signing it too takes as much work again, so that is an option.
func (c *Client) configure(o *s3.Options, s Service) {
	o.HTTPClient = c.http
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.UsePathStyle = pathStyle(o.BaseEndpoint)
	if s.PathStyle != nil {
		o.UsePathStyle = *s.PathStyle
	}
	a := &adviser{s.Payload == signedPayload, s.RequestPayer, o.UsePathStyle, o.Region}
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.ContinueHeaderThresholdBytes = -1 // the client sends Expect where it matters, see s3http.WithExpect
	o.APIOptions = append(o.APIOptions, shareAttempts, noAcceptEncoding, c.followRedirects, translate, a.advise, correctStatus, c.confirm, storedLength, c.noteWrites, c.noteAnswers)
	if s.Payload == signedPayload {
		o.APIOptions = append(o.APIOptions, signPayload)
	} else {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
	if s.RequestPayer {
		o.APIOptions = append(o.APIOptions, requesterPays)
	}
	o.Retryer, o.RetryMaxAttempts = newRetryer(o.Credentials, cmp.Or(s.MaxBackoff, maxBackoff)), 0
}

// Stop says that the process must end: copies whose callers have gone, which could go on for minutes, have half a minute more.
func (c *Client) Stop() { c.stop() }

// An idleCloser is an HTTP client that keeps connections, as all but those of tests do.
type idleCloser interface{ CloseIdleConnections() }

// Close closes the connections that are not in use, and gives up what the client would do by itself.
func (c *Client) Close() {
	c.background.close()
	if h, ok := c.http.(idleCloser); ok {
		h.CloseIdleConnections()
	}
}
