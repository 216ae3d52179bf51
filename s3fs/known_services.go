package s3fs

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// A KnownService is an S3 service of which something is known before it is asked. docs/s3.md shows all of them.
type KnownService struct {
	Name         string
	Hosts        []string // patterns for the host of the endpoint, see hostMatches; none = it has many, and is not recognized
	MaxParts     int      // part numbers of an upload; 0 = 10,000, as S3 has
	UniformParts bool     // all parts of an upload but the last must have one size
	VirtualHost  bool     // the bucket must be in the host name
	Known        string   // what works, which option helps, what does not work
	Source       string   // how that was found out
	Date         string   // when
}

// directoryBuckets names the buckets of S3 Express One Zone: they are recognized by their names too.
const directoryBuckets, directorySuffix = "AWS directory buckets", "--x-s3"

// ofAWS names the service that is used where no endpoint is given.
const ofAWS = "AWS"

// Options returns the options whose automatic values the service changes, as a user would write them.
func (k KnownService) Options() (options []string) {
	if k.VirtualHost {
		options = append(options, "--path-style off")
	}
	if k.MaxParts != 0 {
		options = append(options, fmt.Sprintf("--max-parts %d", k.MaxParts))
	}
	if k.UniformParts {
		options = append(options, "--uniform-parts on")
	}
	return options
}

// KnownServices returns all of them.
func KnownServices() []KnownService { return slices.Clone(knownServices) }

// Known returns what is known of the service that the client uses, for a bucket; false = it is not recognized.
func (c *Client) Known(bucket string) (KnownService, bool) {
	endpoint := c.api.Options().BaseEndpoint
	known, ok := knownByName(ofAWS), true
	if endpoint != nil {
		known, ok = knownByEndpoint(*endpoint)
	}
	if ok && known.Name == ofAWS && strings.HasSuffix(bucket, directorySuffix) {
		known = knownByName(directoryBuckets)
	}
	return known, ok
}

// PartLimits returns the parts that the client's service is known to take: part numbers up to maxParts and, where uniform,
// all parts of an upload but the last of one size. For most services those are the limits of S3 itself.
func (c *Client) PartLimits() (maxParts int, uniform bool) {
	known, _ := c.Known("")
	if known.MaxParts == 0 {
		return 10_000, known.UniformParts
	}
	return known.MaxParts, known.UniformParts
}

// pathStyle reports whether the bucket belongs into the path of the URL, if nothing else is configured.
func pathStyle(endpoint *string) bool {
	if endpoint == nil {
		return false
	}
	known, _ := knownByEndpoint(*endpoint)
	return !known.VirtualHost
}

func knownByName(name string) KnownService {
	return knownServices[slices.IndexFunc(knownServices, func(k KnownService) bool { return k.Name == name })]
}

func knownByEndpoint(endpoint string) (KnownService, bool) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return KnownService{}, false
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	for _, k := range knownServices {
		if slices.ContainsFunc(k.Hosts, func(pattern string) bool { return hostMatches(pattern, host) }) {
			return k, true
		}
	}
	return KnownService{}, false
}

// hostMatches reports whether a host name has the pattern: a * that is the first label stands for one label or more, any
// other * for characters of one label.
func hostMatches(pattern, host string) bool {
	patterns, labels := strings.Split(pattern, "."), strings.Split(host, ".")
	if patterns[0] == "*" && len(labels) >= len(patterns) {
		patterns, labels = patterns[1:], labels[len(labels)-len(patterns)+1:]
	}
	return slices.EqualFunc(patterns, labels, func(pattern, label string) bool {
		matches, err := path.Match(pattern, label)
		return matches && err == nil
	})
}
