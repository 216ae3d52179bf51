package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// service returns the settings of the S3 service from the configuration.
func service(c *config.Config, log *slog.Logger) s3fs.Config {
	return s3fs.Config{Endpoint: c.Endpoint, Region: c.Region, PathStyle: c.PathStyle, Checksum: c.Checksum,
		Payload: c.Payload, RequestPayer: c.RequestPayer, Timeout: c.S3Timeout, Log: log}
}

// connect returns an S3 client. An endpoint from the AWS environment or profile must pass the same checks as --endpoint.
func connect(ctx context.Context, c *config.Config, service s3fs.Config) (*s3fs.Client, error) {
	client, err := s3fs.NewClient(ctx, service)
	if err != nil {
		return nil, err
	}
	if slices.Contains(c.Auth, config.LDAP) && client.Endpoint() == "" {
		client.Close()
		return nil, usage{errors.New("--auth ldap-sts: requires --endpoint, the URL of MinIO: AWS has no users in LDAP")}
	}
	if c.Endpoint != "" {
		return client, nil // config.Load has checked it
	}
	if err := c.CheckEndpoint(client.Endpoint()); err != nil {
		client.Close()
		return nil, usage{fmt.Errorf("AWS_ENDPOINT_URL, or endpoint_url in the AWS profile: %w", err)}
	}
	return client, nil
}

// noRegionAdvice says how to configure the region.
const noRegionAdvice = "set --region or AWS_REGION to the region of the bucket, or --endpoint for a service other than AWS"

// pathURL returns the URL of an example file if the endpoint has a path, and "" otherwise.
func pathURL(ctx context.Context, c *config.Config, client *s3fs.Client) string {
	u, err := url.Parse(client.Endpoint())
	if err != nil || strings.Trim(u.Path, "/") == "" {
		return ""
	}
	at, err := client.URL(ctx, c.Bucket, c.Prefix+"FILE")
	if err != nil {
		return client.Endpoint()
	}
	return at
}

// storeOptions returns the options of the store: bucket, prefix, memory budget, and how objects are written.
func storeOptions(c *config.Config, client *s3fs.Client, b *budget.Budget, log *slog.Logger) s3fs.Options {
	o := s3fs.Options{Bucket: c.Bucket, Prefix: c.Prefix, Budget: b, PartSize: c.PartSize,
		Attributes: s3fs.Attributes{StorageClass: c.StorageClass, SSE: c.SSE, KMSKey: c.SSEKMSKey, ACL: c.ACL, Tags: c.Tags},
		Provenance: c.Provenance,
		Resume:     c.Resume, RenameMax: c.RenameMax, Stall: c.StallTimeout, Log: log,
		ListMtime: c.ListMtime}
	if c.Resume == 0 {
		o.Resume = -1 // off
	}
	o.MaxParts, o.UniformParts = client.PartLimits()
	if c.MaxParts != 0 {
		o.MaxParts = c.MaxParts
	}
	if c.UniformParts != nil {
		o.UniformParts = *c.UniformParts
	}
	return o
}
