package config

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isPrintable reports whether a text is UTF-8 without control characters. It is the rule of proxy.IsPrintable, which this package does
// not import: configuration knows no other part.
func isPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func parseBucket(text string) (string, error) {
	rest, isURL := strings.CutPrefix(text, "s3://")
	name, prefix, hasPrefix := strings.Cut(rest, "/")
	switch {
	case strings.HasPrefix(text, "arn:") && isPrintable(text) && !strings.Contains(text, " "):
		return text, nil // of an access point; these have slashes
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"):
		return "", hidden{errors.New("must be the bucket's name alone: the URL of the service is --endpoint")} // it may have a signature
	case isURL || hasPrefix:
		return "", errors.New("a bucket and a prefix are two options: --bucket " + quoted(name) + " --prefix " + quoted(prefix))
	case len(text) < 3 || len(text) > 255 || strings.Trim(text, hostBytes+".:") != "":
		return "", errors.New("the name of a bucket is wanted: from 3 letters, digits, dots and hyphens on")
	}
	return text, nil
}

// maxPrefix leaves half of a key, which S3 ends at 1,024 bytes, to the names below the prefix.
const maxPrefix = 512

func parsePrefix(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(text, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "", errors.New("a prefix such as customers/alice/ is wanted, without a slash at its beginning, and without // or .. in it")
		}
	}
	if !isPrintable(text) || len(text) > maxPrefix {
		return "", errors.New("at most 512 bytes of UTF-8 without control characters are wanted")
	}
	return strings.TrimSuffix(text, "/") + "/", nil
}

func parseRegion(text string) (string, error) {
	if strings.Trim(text, hostBytes) != "" {
		return "", errors.New("the name of a region is wanted, such as eu-central-1")
	}
	return text, nil
}
