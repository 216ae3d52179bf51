package s3fs

import (
	"net/url"
	"strings"
)

// Services that are known to take other parts than S3 does, by the end of their host names.
var partLimits = []struct {
	host    string
	numbers int
	uniform bool
}{
	{".scw.cloud", 1000, false},
	{".r2.cloudflarestorage.com", 10_000, true},
}

// PartLimits returns what the client's service is known to take: part numbers up to maxParts, and, where uniform, all
// parts of an upload but the last of one size. Of most services that is what S3 itself takes.
func (c *Client) PartLimits() (maxParts int, uniform bool) {
	if endpoint := c.api.Options().BaseEndpoint; endpoint != nil {
		return partLimitsOf(*endpoint)
	}
	return 10_000, false
}

func partLimitsOf(endpoint string) (maxParts int, uniform bool) {
	if u, err := url.Parse(endpoint); err == nil {
		host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		for _, l := range partLimits {
			if strings.HasSuffix(host, l.host) {
				return l.numbers, l.uniform
			}
		}
	}
	return 10_000, false
}
