package s3fs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Errors of wrong keys.
var (
	ErrWrongKeys  = errors.New("S3 refuses the access key or the secret key")
	ErrUnknownKey = fmt.Errorf("%w: it does not know the access key", ErrWrongKeys)
)

// WithKeys returns a client for the same service with other keys. It shares the connections, the Registry, the endpoints and the
// work in the background with c. It ends with c, and must not be closed.
func (c *Client) WithKeys(accessKey, secretKey string) *Client {
	return c.derive(c.http, c.endpoints, "", func(config *aws.Config) { config.Credentials = fixedKeys(accessKey, secretKey) })
}

// fixedKeys are credentials that do not change.
func fixedKeys(accessKey, secretKey string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, Source: "login"}, nil
	})
}

// derive returns a client with another configuration of the SDK, and another endpoint unless that is empty. It shares the Registry
// and the work in the background with c.
//
// It does not share the refused features of c: S3 may refuse to one key what it allows another.
func (c *Client) derive(http s3.HTTPClient, endpoints *endpointCache, endpoint string, set func(*aws.Config)) *Client {
	d := &Client{config: c.config, sdk: c.sdk.Copy(), http: http, checksum: c.checksum, timeout: c.timeout, names: c.names,
		uploads: c.uploads, background: c.background, endpoints: endpoints, stopping: c.stopping, stop: c.stop, log: c.log}
	d.features.log = c.log
	set(&d.sdk)
	if d.http == nil {
		d.http = d.newHTTPClient()
	}
	d.service = endpoint
	d.api = s3.NewFromConfig(d.sdk, func(o *s3.Options) {
		if endpoint != "" {
			o.BaseEndpoint = &endpoint // before those of the SDK's configuration files
		}
		d.configure(o, d.config)
	})
	return d
}

// Codes of S3's errors for wrong keys. Cloudflare answers Unauthorized, Google InvalidSecurity.
var wrongKeys = []string{"InvalidAccessKeyId", "SignatureDoesNotMatch", "Unauthorized", "InvalidSecurity"}

// VerifyKeys asks S3 whether it accepts the keys of the client, with a request to list a bucket below a prefix, or all buckets
// if bucket is empty. The error is ErrWrongKeys if S3 does not accept them, and also ErrUnknownKey if it says that it does not know
// the access key. After any other error that is unknown.
//
// Valid keys may lack the permission to list, and a service may answer wrong keys with AccessDenied too. So
// after AccessDenied the request is repeated with a wrong secret key: the answer must then be another one.
func (c *Client) VerifyKeys(ctx context.Context, bucket, prefix string) error {
	err := c.listOne(ctx, bucket, prefix)
	switch {
	case err == nil:
		return nil
	case errorCode(err) == "InvalidAccessKeyId":
		return fmt.Errorf("%w: %w", ErrUnknownKey, err)
	case slices.Contains(wrongKeys, errorCode(err)):
		return fmt.Errorf("%w: %w", ErrWrongKeys, err)
	case errorCode(err) != "AccessDenied":
		return err
	}
	keys, credErr := c.api.Options().Credentials.Retrieve(ctx)
	if credErr != nil {
		return credErr
	}
	control := c.WithKeys(keys.AccessKeyID, keys.SecretAccessKey+"-wrong").listOne(ctx, bucket, prefix)
	switch code := errorCode(control); {
	case slices.Contains(wrongKeys, code):
		return nil
	case code == "AccessDenied":
		return fmt.Errorf("%w, or does not allow to list: it answers a wrong secret key in the same way: %w", ErrWrongKeys, err)
	case control == nil:
		return errors.New("S3 accepts a wrong secret key")
	}
	return control
}

// listOne sends the request of VerifyKeys.
func (c *Client) listOne(ctx context.Context, bucket, prefix string) error {
	if bucket == "" {
		_, err := c.api.ListBuckets(ctx, &s3.ListBucketsInput{MaxBuckets: aws.Int32(1)})
		return err
	}
	_, err := c.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, MaxKeys: aws.Int32(1)})
	return err
}

// renewal is how long before their end temporary credentials are renewed.
const renewal = 5 * time.Minute

// A renewed gets temporary credentials from STS, for a cache that renews them.
type renewed struct{ aws.CredentialsProvider }

// HandleFailToRefresh implements aws.HandleFailRefreshCredentialsCacheStrategy: as long as the credentials are valid, an error of STS
// does not matter. The cache has subtracted renewal from their end, and will again.
func (renewed) HandleFailToRefresh(_ context.Context, before aws.Credentials, err error) (aws.Credentials, error) {
	before.Expires = before.Expires.Add(renewal)
	if before.CanExpire && time.Now().Before(before.Expires) {
		return before, nil
	}
	return aws.Credentials{}, err
}
