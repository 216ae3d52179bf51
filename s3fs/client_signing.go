package s3fs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// What signs the content of requests.
const (
	signedPayload   = "signed"
	unsignedPayload = "unsigned"
)

var payloads = []string{signedPayload, unsignedPayload}

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

// mostRedirects is how many redirections a request follows.
const mostRedirects = 3

// followRedirects sends a request once more where S3 says with 307 or 308, as it does for new buckets of other regions,
// signed for the new host. After a redirection, requests wait for 100-continue before they send their content, so that
// it is sent once.
func (c *Client) followRedirects(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("s3fs: follow redirects", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
		if time.Now().UnixNano() < c.redirected.Load() {
			ctx = s3http.WithExpect(ctx)
		}
		for range mostRedirects {
			out, metadata, err = next.HandleFinalize(ctx, in)
			req, ok := in.Request.(*smithyhttp.Request)
			if !ok {
				break
			}
			to := redirection(req.URL, err)
			if to == nil {
				break
			}
			if rewound := req.RewindStream(); rewound != nil {
				return out, metadata, fmt.Errorf("%w (not sent again: %w)", err, rewound)
			}
			c.redirected.Store(time.Now().Add(refusalLasts).UnixNano())
			req.URL, req.Host = to, ""
		}
		return out, metadata, err
	}), "Signing", middleware.Before)
}

// redirection returns where a request is to be sent once more, nil if it is not. What the request asks for stays, and
// so does encryption.
func redirection(from *url.URL, err error) *url.URL {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || !slices.Contains([]int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect}, answer.HTTPStatusCode()) {
		return nil
	}
	location := answer.Response.Header.Get("Location")
	to, bad := from.Parse(location)
	if bad != nil || location == "" || to.Host == "" || from.Scheme == "https" && to.Scheme != "https" {
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

// Endpoint returns the endpoint that the client uses: the configured one, or that of the AWS environment; "" = AWS itself.
func (c *Client) Endpoint() string { return aws.ToString(c.api.Options().BaseEndpoint) }

// URL returns the URL of an object in requests, without sending one.
func (c *Client) URL(ctx context.Context, bucket, key string) (string, error) {
	var u urlOnly
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

// urlOnly notes the URL of a request in place of sending it.
type urlOnly struct{ url string }

// Do implements s3.HTTPClient.
func (u *urlOnly) Do(r *http.Request) (*http.Response, error) {
	u.url = r.URL.String()
	return nil, errors.New("not sent")
}
