package s3fs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ErrWrongKeys means that S3 refuses an access key or its secret key.
var ErrWrongKeys = errors.New("S3 refuses the access key or the secret key")

// WithKeys returns a client for the same service with other keys. It shares the connections, the Registry, the endpoints and the
// work in the background with c. It ends with c, and must not be closed.
//
// It does not share the refused features of c: S3 may refuse to one key what it allows another.
func (c *Client) WithKeys(accessKey, secretKey string) *Client {
	d := &Client{config: c.config, sdk: c.sdk.Copy(), http: c.http, checksum: c.checksum, timeout: c.timeout, names: c.names,
		uploads: c.uploads, background: c.background, endpoints: c.endpoints, stopping: c.stopping, stop: c.stop, log: c.log}
	d.features.log = c.log
	d.sdk.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, Source: "login"}, nil
	})
	d.api = s3.NewFromConfig(d.sdk, func(o *s3.Options) { d.configure(o, d.config) })
	return d
}

// Codes of S3's errors for wrong keys. Cloudflare answers Unauthorized, Google InvalidSecurity.
var wrongKeys = []string{"InvalidAccessKeyId", "SignatureDoesNotMatch", "Unauthorized", "InvalidSecurity"}

// VerifyKeys asks S3 whether it accepts the keys of the client, with a request to list a bucket below a prefix, or all buckets
// if bucket is empty. The error is ErrWrongKeys if S3 does not accept them. After any other error that is unknown.
//
// Valid keys may lack the permission to list, and a service may answer wrong keys with AccessDenied too. So
// after AccessDenied the request is repeated with a wrong secret key: the answer must then be another one.
func (c *Client) VerifyKeys(ctx context.Context, bucket, prefix string) error {
	err := c.listOne(ctx, bucket, prefix)
	switch {
	case err == nil:
		return nil
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
