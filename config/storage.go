package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isPrintable reports whether a text is UTF-8 without control characters. It is the same as proxy.IsPrintable, because this
// package imports no other one.
func isPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// A placeNotation says how a bucket and a prefix are written, in messages.
type placeNotation struct{ both, bucket, endpoint string }

var asOptions = placeNotation{"two options: --bucket %s --prefix %s", "--bucket %s", "--endpoint"}

// of returns what is right for a bucket and a prefix.
func (n placeNotation) of(bucket, prefix string) error {
	if prefix == "" {
		return fmt.Errorf("must be the name alone: "+n.bucket, quoted(bucket))
	}
	return fmt.Errorf("must be "+n.both, quoted(bucket), quoted(prefix))
}

// placeBegin matches the begin of the URL of a place, and of the ARN of a bucket or of objects.
var placeBegin = regexp.MustCompile(`^(s3[an]?://|arn:[a-z-]+:s3:::)`)

// splitPlace returns the bucket and the prefix of a URL or an ARN, and reports whether the text is one.
func splitPlace(text string) (bucket, prefix string, ok bool) {
	begin := placeBegin.FindString(text)
	bucket, prefix, _ = strings.Cut(text[len(begin):], "/")
	return bucket, strings.TrimSuffix(prefix, "*"), begin != ""
}

func parseBucket(text string) (string, error) { return asOptions.parseBucket(text) }

func (n placeNotation) parseBucket(text string) (string, error) {
	name, prefix, isPlace := splitPlace(text)
	switch {
	case strings.HasPrefix(text, "arn:") && !isPlace && isPrintable(text) && !strings.Contains(text, " "):
		return text, nil // of an access point; contains slashes
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"):
		return "", hidden{errors.New("must be the name of a bucket: the URL of the service is " + n.endpoint)} // the URL may have a signature
	case isPlace || strings.Contains(text, "/"):
		return "", n.of(name, prefix)
	case len(text) < 3 || len(text) > 255 || strings.Trim(text, hostBytes+".:") != "":
		return "", errors.New("must be the name of a bucket: at least 3 letters, digits, dots and hyphens")
	}
	return text, nil
}

// maxPrefix is half of the 1,024 bytes of a key, so that the other half is left for names below the prefix.
const maxPrefix = 512

func parsePrefix(text string) (string, error) {
	bucket, prefix, isPlace := splitPlace(text)
	switch {
	case text == "":
		return "", nil
	case isPlace:
		return "", asOptions.of(bucket, prefix)
	case strings.Trim(text, "/") == "":
		return "", errors.New(`must be "" for the whole bucket`)
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(text, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "", errors.New(`must be a prefix such as customers/alice/, without a slash at the beginning, "//" or ".." in it`)
		}
	}
	if !isPrintable(text) || len(text) > maxPrefix {
		return "", errors.New("must be at most 512 bytes of UTF-8 without control characters")
	}
	return strings.TrimSuffix(text, "/") + "/", nil
}

func parseRegion(text string) (string, error) {
	if strings.Trim(text, hostBytes) != "" {
		return "", errors.New("must be the name of a region, e.g. eu-central-1")
	}
	return text, nil
}
