package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// connect prepares the client of a configuration. An endpoint from the AWS environment must be as good as a configured one.
func connect(ctx context.Context, c *config.Config, service s3fs.Service) (*s3fs.Client, error) {
	client, err := s3fs.Dial(ctx, service)
	if err != nil {
		return nil, err
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

// pathURL returns the URL at which files are stored if the endpoint has a path, else "".
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
