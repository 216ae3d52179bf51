package s3fs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// A Config says which S3 service to use, and as whom. The zero value is what the AWS SDK finds in the environment,
// in its files and in the machine it runs on.
type Config struct {
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
	api            *s3.Client
	http           s3.HTTPClient
	checksum       string
	noRegion       bool // neither a region nor an endpoint is configured
	features       features
	timeout        time.Duration // Config.Timeout
	names          *nameLocks    // of Config.Registry, as are uploads
	uploads        *uploadRegistry
	background     background
	clock          clock
	isMinIO        atomic.Bool     // the service has shown itself as MinIO
	mtimes         mtimeCache      // for listings
	redirectsUntil atomic.Int64    // until when a redirection is expected, in Unix nanoseconds; see followRedirects
	stopping       context.Context // ends with Stop; nil = it is never called
	stop           context.CancelFunc
	log            *slog.Logger
}

// NewClient prepares a client. It may look for credentials, but sends nothing to S3: it fails if s makes no sense.
func NewClient(ctx context.Context, s Config) (*Client, error) {
	c := &Client{checksum: cmp.Or(s.Checksum, auto), http: s.HTTPClient, timeout: cmp.Or(s.Timeout, 30*time.Second), log: s.Log}
	if !slices.Contains(algorithms, c.checksum) {
		return nil, fmt.Errorf("checksum %q: must be one of %s", s.Checksum, strings.Join(algorithms, ", "))
	}
	if !slices.Contains(payloadModes, cmp.Or(s.Payload, unsignedPayload)) {
		return nil, fmt.Errorf("payload %q: must be one of %s", s.Payload, strings.Join(payloadModes, ", "))
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
		if sdkHTTP, ok := sdk.HTTPClient.(*awshttp.BuildableClient); ok {
			h.TLS = sdkHTTP.GetTransport().TLSClientConfig // with AWS_CA_BUNDLE
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
func (c *Client) configure(o *s3.Options, s Config) {
	o.HTTPClient = c.http
	c.noRegion = o.Region == "" && o.BaseEndpoint == nil
	o.Region = cmp.Or(o.Region, defaultRegion)
	o.UsePathStyle = pathStyle(o.BaseEndpoint)
	if s.PathStyle != nil {
		o.UsePathStyle = *s.PathStyle
	}
	a := &adviser{s.Payload == signedPayload, s.RequestPayer, o.UsePathStyle, o.Region}
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.ContinueHeaderThresholdBytes = -1 // the client sends Expect where it matters, see s3http.WithExpect
	o.APIOptions = append(o.APIOptions, shareAttempts, noAcceptEncoding, c.followRedirects, translate, a.advise, correctStatus, c.confirmWrites, storedLength, c.noteWrites, c.recordAnswers, traceRequests)
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

// defaultRegion is used if none is configured. Most services other than AWS accept it.
const defaultRegion = "us-east-1"

// AssumedRegion returns the default region of AWS if neither a region nor an endpoint is configured, else "".
func (c *Client) AssumedRegion() string {
	if c.noRegion {
		return defaultRegion
	}
	return ""
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

// Endpoint returns the endpoint that the client uses: the configured one, or that of the AWS environment; "" = AWS itself.
func (c *Client) Endpoint() string { return aws.ToString(c.api.Options().BaseEndpoint) }

// URL returns the URL of an object in requests, without sending one.
func (c *Client) URL(ctx context.Context, bucket, key string) (string, error) {
	var u urlRecorder
	_, err := c.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key}, func(o *s3.Options) {
		o.HTTPClient, o.Retryer = &u, aws.NopRetryer{}
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "none", SecretAccessKey: "none"}, nil // the real ones may take a request
		})
	})
	if u.url == "" {
		return "", err
	}
	return u.url, nil
}

// urlRecorder notes the URL of a request in place of sending it.
type urlRecorder struct{ url string }

// Do implements s3.HTTPClient.
func (u *urlRecorder) Do(r *http.Request) (*http.Response, error) {
	u.url = r.URL.String()
	return nil, errors.New("not sent")
}

// What signs the content of requests.
const (
	signedPayload   = "signed"
	unsignedPayload = "unsigned"
)

var payloadModes = []string{signedPayload, unsignedPayload}

// noAcceptEncoding leaves out a header that the SDK adds and signs. Google's front end changes it, and then the signature
// is wrong.
func noAcceptEncoding(stack *middleware.Stack) error {
	const id = "DisableAcceptEncodingGzip"
	if _, ok := stack.Finalize.Get(id); !ok {
		return nil
	}
	_, err := stack.Finalize.Remove(id)
	return err
}

// requesterPays says in every request that its sender pays for it, which Requester Pays buckets demand.
var requesterPays = smithyhttp.SetHeaderValue("X-Amz-Request-Payer", "requester")

// signPayload signs the SHA-256 of each content. It replaces the SDK's middleware, as hashing must not ask a content for
// its order to publish.
func signPayload(stack *middleware.Stack) error {
	sdk := new(v4.ComputePayloadSHA256)
	_, err := stack.Finalize.Swap(sdk.ID(), middleware.FinalizeMiddlewareFunc(sdk.ID(), func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if req, ok := in.Request.(*smithyhttp.Request); ok {
			if body, ok := req.GetStream().(*partReader); ok {
				h := sha256.New()
				if _, err := body.part.reader().WriteTo(h); err != nil {
					return middleware.FinalizeOutput{}, middleware.Metadata{}, err
				}
				ctx = v4.SetPayloadHash(ctx, hex.EncodeToString(h.Sum(nil)))
			}
		}
		return sdk.HandleFinalize(ctx, in, next)
	}))
	return err
}

// maxRedirects is how many redirections a request follows.
const maxRedirects = 3

// followRedirects sends a request once more where S3 says with 307 or 308, as it does for new buckets of other regions,
// signed for the new host. After a redirection, requests wait for 100-continue before they send their content, so that
// it is sent once.
func (c *Client) followRedirects(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("s3fs: follow redirects", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
		if time.Now().UnixNano() < c.redirectsUntil.Load() {
			ctx = s3http.WithExpect(ctx)
		}
		for range maxRedirects {
			out, metadata, err = next.HandleFinalize(ctx, in)
			req, ok := in.Request.(*smithyhttp.Request)
			if !ok {
				break
			}
			to := redirectURL(req.URL, err)
			if to == nil {
				break
			}
			if rewound := req.RewindStream(); rewound != nil {
				return out, metadata, fmt.Errorf("%w (not sent again: %w)", err, rewound)
			}
			c.redirectsUntil.Store(time.Now().Add(refusalTTL).UnixNano())
			req.URL, req.Host = to, ""
		}
		return out, metadata, err
	}), "Signing", middleware.Before)
}

// redirectURL returns where a request is to be sent once more, nil if it is not. What the request asks for stays, and
// so does encryption.
func redirectURL(from *url.URL, err error) *url.URL {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || !slices.Contains([]int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect}, answer.HTTPStatusCode()) {
		return nil
	}
	location := answer.Response.Header.Get("Location")
	to, parseErr := from.Parse(location)
	if parseErr != nil || location == "" || to.Host == "" || from.Scheme == "https" && to.Scheme != "https" {
		return nil
	}
	query := from.Query()
	maps.Copy(query, to.Query())
	to.RawQuery = query.Encode()
	return to
}

// regionOf returns the region that S3 says a bucket is in, "" if it does not.
func regionOf(err error) string {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return ""
}
