package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

var errEndpoint = errors.New("must be a URL such as http://127.0.0.1:9000 or https://s3.example.com")

// parseEndpoint reads the URL of an S3 service. Errors about a URL that may contain a secret are hidden.
func parseEndpoint(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if strings.Contains(text, "@") {
		return "", hidden{errors.New("must not contain keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")}
	}
	if strings.ContainsAny(text, "?#") { // a presigned URL has a signature there
		return "", hidden{errors.New("must end before the ? or # of the URL: the endpoint is the service, such as https://s3.example.com")}
	}
	u, err := url.Parse(text)
	if !strings.Contains(text, "://") && !strings.HasPrefix(text, "http") {
		if u, err := url.Parse("http://" + text); err == nil && u.Hostname() != "" {
			return "", fmt.Errorf("has no scheme: must be http://%[1]s or https://%[1]s", text)
		}
	}
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "", errEndpoint
	case u.Port() != "":
		if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
			return "", fmt.Errorf("has the port %s: must be from 1 to 65535", u.Port())
		}
	}
	return text, nil
}

// supabasePath is the path of Supabase's endpoints. Its segments may also be bucket names.
const supabasePath = "/storage/v1/s3"

// CheckEndpoint returns an error for an endpoint that contains the bucket. S3 clients add the bucket themselves, so that every
// key would begin with its name. With --path-style on, the bucket may be the first label of the service's host name.
func (c *Config) CheckEndpoint(endpoint string) error {
	return checkEndpoint(endpoint, c.Bucket, "--bucket "+c.Bucket, c.PathStyle)
}

// checkEndpoint is CheckEndpoint for a bucket and its source.
func checkEndpoint(endpoint, bucket, source string, pathStyle *bool) error {
	if _, err := parseEndpoint(endpoint); err != nil {
		return err
	}
	u, err := url.Parse(endpoint)
	if endpoint == "" || bucket == "" || err != nil {
		return nil
	}
	fixed := *u
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	if u.Path != supabasePath && slices.Contains(segments, bucket) {
		fixed.Path, fixed.RawPath = strings.Join(segments[:slices.Index(segments, bucket)], "/"), ""
		return fmt.Errorf("has the bucket in its path, and %s adds it again: must be %s", source, fixed.String())
	}
	_, notAddress := netip.ParseAddr(u.Hostname())
	if host, ok := cutFold(u.Host, bucket+"."); ok && notAddress != nil && (pathStyle == nil || !*pathStyle) {
		fixed.Host = host
		return fmt.Errorf("has the bucket in its host name, and %s adds it again: must be %s "+
			"(or --path-style on, if %s is the service itself)", source, fixed.String(), u.Hostname())
	}
	return nil
}

// cutFold is strings.CutPrefix, ignoring case.
func cutFold(text, prefix string) (rest string, found bool) {
	if len(text) <= len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// checkEndpoint reports an endpoint that contains the bucket.
func (l *loader) checkEndpoint() {
	c := &l.config
	if c.Endpoint == "" || !l.valid("endpoint", "bucket", "path-style") {
		return
	}
	if err := c.CheckEndpoint(c.Endpoint); err != nil {
		l.mistakes.add(l.source("endpoint")+" "+quoted(c.Endpoint), "%v", err)
	}
}
