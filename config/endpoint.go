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

// parseEndpoint reads the URL of an S3 service. An error about a URL that may hold a secret is hidden.
func parseEndpoint(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if strings.Contains(text, "@") {
		return "", hidden{errors.New("keys do not belong into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")}
	}
	if strings.ContainsAny(text, "?#") { // a presigned URL has its signature there
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

// supabasePath is the path of a known service. Its segments can be names of buckets.
const supabasePath = "/storage/v1/s3"

// CheckEndpoint refuses an endpoint that names the bucket, which the client adds by itself: every key would begin with the
// bucket's name once more. With --path-style on, the bucket is in the path, and the host name is the service's.
func (c *Config) CheckEndpoint(endpoint string) error {
	bucket := c.Bucket
	if _, err := parseEndpoint(endpoint); err != nil {
		return err
	}
	u, err := url.Parse(endpoint)
	if endpoint == "" || bucket == "" || err != nil {
		return nil
	}
	right := *u
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	if u.Path != supabasePath && slices.Contains(segments, bucket) {
		right.Path, right.RawPath = strings.Join(segments[:slices.Index(segments, bucket)], "/"), ""
		return fmt.Errorf("has the bucket in its path, and --bucket %s adds it again: must be %s", bucket, right.String())
	}
	_, notAddress := netip.ParseAddr(u.Hostname())
	if host, ok := cutFold(u.Host, bucket+"."); ok && notAddress != nil && (c.PathStyle == nil || !*c.PathStyle) {
		right.Host = host
		return fmt.Errorf("has the bucket in its host name, and --bucket %s adds it again: must be %s "+
			"(or --path-style on, if %s is the service itself)", bucket, right.String(), u.Hostname())
	}
	return nil
}

// cutFold is strings.CutPrefix without regard to case.
func cutFold(text, prefix string) (rest string, found bool) {
	if len(text) <= len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// bucketIsNamedOnce compares the endpoint with the bucket.
func (l *loading) bucketIsNamedOnce() {
	c := &l.config
	if c.Endpoint == "" || !l.sound("endpoint", "bucket", "path-style") {
		return
	}
	if err := c.CheckEndpoint(c.Endpoint); err != nil {
		l.mistakes.add(l.where("endpoint")+" "+quoted(c.Endpoint), "%v", err)
	}
}
