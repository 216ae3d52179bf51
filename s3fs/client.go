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
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// A Config configures a [Client]. With the zero value, the AWS SDK takes endpoint, region and credentials from the
// environment, its configuration files and the metadata service of the machine.
type Config struct {
	Endpoint     string                  // URL; empty = the SDK's, AWS in the end
	Region       string                  // empty = the SDK's, us-east-1 in the end
	PathStyle    *bool                   // bucket in the path instead of the host; nil = with an endpoint that is not known to need the host
	Checksum     string                  // crc32c, crc32, sha256, md5, none, or auto, the default: crc32c, or md5 if refused
	Payload      string                  // signed or unsigned, the default: whether signatures cover the bodies of requests
	RequestPayer bool                    // for Requester Pays buckets
	Timeout      time.Duration           // a request fails after this long without progress; 0 = 30 s
	MaxBackoff   time.Duration           // longest delay before a retry; 0 = 20 s
	Credentials  aws.CredentialsProvider // nil = the SDK's chain
	Registry     *Registry               // of the changes in this process; nil = one for this client alone
	HTTPClient   s3.HTTPClient           // nil = an s3http.Client; another one must enforce Timeout itself
	Log          *slog.Logger            // nil = none
}

// A Client sends requests to an S3 service. Many FS can share it.
type Client struct {
	api            *s3.Client
	config         Config     // see derive
	service        string     // the endpoint, if it is not Config's
	sdk            aws.Config // of the SDK, as loaded
	http           s3.HTTPClient
	checksum       string
	noRegion       bool // neither a region nor an endpoint is configured
	features       features
	timeout        time.Duration // Config.Timeout
	names          *nameLocks    // of Config.Registry, like uploads
	uploads        *uploadRegistry
	background     *background
	endpoints      *endpointCache
	clock          clock
	isMinIO        atomic.Bool     // a response had "Server: MinIO"
	mtimes         mtimeCache      // for listings
	redirectsUntil atomic.Int64    // redirects are expected until then, in Unix nanoseconds; see followRedirects
	stopping       context.Context // ends with Stop; nil = never
	stop           context.CancelFunc
	log            *slog.Logger
}

// NewClient returns a client. It may search for credentials, but sends no request to S3. It fails if s is invalid.
func NewClient(ctx context.Context, s Config) (*Client, error) {
	c := &Client{config: s, checksum: cmp.Or(s.Checksum, auto), http: s.HTTPClient, timeout: cmp.Or(s.Timeout, 30*time.Second),
		background: new(background), endpoints: newEndpointCache(), log: s.Log}
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
		o.Region, o.Credentials, o.BaseEndpoint, o.Logger = s.Region, s.Credentials, s.Endpoint, c.sdkLogger(ctx)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	if c.sdk = sdk; c.http == nil {
		c.http = c.newHTTPClient()
	}
	c.api = s3.NewFromConfig(sdk, func(o *s3.Options) { c.configure(o, s) })
	return c, nil
}

// newHTTPClient returns an HTTP client with connections of its own.
func (c *Client) newHTTPClient() *s3http.Client {
	dialer := &net.Dialer{Timeout: min(c.timeout, 10*time.Second), KeepAlive: 15 * time.Second}
	h := s3http.Config{Timeout: c.timeout, Dial: dialer.DialContext, Log: c.log}
	if sdkHTTP, ok := c.sdk.HTTPClient.(*awshttp.BuildableClient); ok {
		h.TLS = sdkHTTP.GetTransport().TLSClientConfig // with AWS_CA_BUNDLE
	}
	return c.features.newHTTPClient(h)
}

// configure sets the SDK's options.
//
// s3fs computes the checksums and sends them as plain headers. The SDK would send trailers, which cost twice as much and
// which many services refuse. The checksums cover the content, so signing it too, which costs as much again, is optional.
func (c *Client) configure(o *s3.Options, s Config) {
	o.HTTPClient, o.EndpointResolverV2 = c.http, c.endpoints
	c.noRegion = o.Region == "" && o.BaseEndpoint == nil
	o.Region = cmp.Or(o.Region, defaultRegion)
	o.UsePathStyle = pathStyle(o.BaseEndpoint)
	if s.PathStyle != nil {
		o.UsePathStyle = *s.PathStyle
	}
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.ContinueHeaderThresholdBytes = -1 // see s3http.WithRunning
	o.APIOptions = append(o.APIOptions, shareAttempts, noAcceptEncoding, c.followRedirects, translate, describeErrors(o), correctStatus, noteExchanges, limitAnswers, c.confirmWrites, storedLength, c.noteWrites, c.recordAnswers, traceRequests)
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

// sdkLogger returns a logger that passes the SDK's messages on to the log of the client, at level debug: the errors of
// requests tell all that an operator needs.
func (c *Client) sdkLogger(ctx context.Context) logging.Logger {
	return logging.LoggerFunc(func(class logging.Classification, format string, args ...any) {
		c.log.DebugContext(ctx, "AWS SDK", "class", string(class), "text", fmt.Sprintf(format, args...))
	})
}

// Stop announces the end of the process. Copies without a caller, which may take minutes, are canceled after half
// a minute.
func (c *Client) Stop() { c.stop() }

// An idleCloser is an HTTP client with idle connections. Some clients in tests have none.
type idleCloser interface{ CloseIdleConnections() }

// Close cancels the clean-ups in the background and closes idle connections.
func (c *Client) Close() {
	c.background.close()
	if h, ok := c.http.(idleCloser); ok {
		h.CloseIdleConnections()
	}
}

// Endpoint returns the endpoint from Config or from the SDK's configuration; "" = AWS.
func (c *Client) Endpoint() string { return aws.ToString(c.api.Options().BaseEndpoint) }

// URL returns the URL that requests for an object have. It sends no request.
func (c *Client) URL(ctx context.Context, bucket, key string) (string, error) {
	var u urlRecorder
	_, err := c.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key}, func(o *s3.Options) {
		o.HTTPClient, o.Retryer = &u, aws.NopRetryer{}
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "none", SecretAccessKey: "none"}, nil // getting the real ones may take a request
		})
	})
	if u.url == "" {
		return "", err
	}
	return u.url, nil
}

// urlRecorder records the URL of a request instead of sending it.
type urlRecorder struct{ url string }

// Do implements s3.HTTPClient.
func (u *urlRecorder) Do(r *http.Request) (*http.Response, error) {
	u.url = r.URL.String()
	return nil, errors.New("not sent")
}

// The values of Config.Payload.
const (
	signedPayload   = "signed"
	unsignedPayload = "unsigned"
)

var payloadModes = []string{signedPayload, unsignedPayload}

// noAcceptEncoding removes the SDK's signed Accept-Encoding header. Google's front end changes it, which would make the
// signature invalid.
func noAcceptEncoding(stack *middleware.Stack) error {
	const id = "DisableAcceptEncodingGzip"
	if _, ok := stack.Finalize.Get(id); !ok {
		return nil
	}
	_, err := stack.Finalize.Remove(id)
	return err
}

// requesterPays sets the header that Requester Pays buckets need in every request.
var requesterPays = smithyhttp.SetHeaderValue("X-Amz-Request-Payer", "requester")

// signPayload signs the SHA-256 of each body. It replaces the SDK's middleware, which would read the body: the end of a
// body waits for Source.Commit, see content.
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

// maxRedirects is how many redirects of a request are followed.
const maxRedirects = 3

// followRedirects follows 307 and 308, which S3 sends for new buckets in other regions. The request is signed again for
// the new host. For some time after a redirect, requests wait for 100 Continue, so that a body is sent only once.
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

// redirectURL returns the URL that err redirects a request to, or nil. It keeps the query of the request, and does not
// accept a redirect from https to http.
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
