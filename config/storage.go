package config

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isPrintable reports whether a text is UTF-8 without control characters. It is the same as proxy.IsPrintable, because this
// package imports no other one.
func isPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func parseBucket(text string) (string, error) {
	rest, isURL := strings.CutPrefix(text, "s3://")
	name, prefix, hasPrefix := strings.Cut(rest, "/")
	switch {
	case strings.HasPrefix(text, "arn:") && isPrintable(text) && !strings.Contains(text, " "):
		return text, nil // of an access point; contains slashes
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"):
		return "", hidden{errors.New("must be the bucket's name optional: the URL of the service is --endpoint")} // the URL may have a signature
	case isURL || hasPrefix:
		return "", errors.New("must be two options: --bucket " + quoted(name) + " --prefix " + quoted(prefix))
	case len(text) < 3 || len(text) > 255 || strings.Trim(text, hostBytes+".:") != "":
		return "", errors.New("must be the name of a bucket: at least 3 letters, digits, dots and hyphens")
	}
	return text, nil
}

// maxPrefix is half of the 1,024 bytes of a key, so that the other half is left for names below the prefix.
const maxPrefix = 512

func parsePrefix(text string) (string, error) {
	if text == "" {
		return "", nil
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
