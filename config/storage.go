package config

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isPrintable tells whether a text has nothing in it but what can be seen, and spaces.
func isPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func parseBucket(text string) (string, error) {
	rest, isURL := strings.CutPrefix(text, "s3://")
	name, prefix, hasPrefix := strings.Cut(rest, "/")
	switch {
	case strings.HasPrefix(text, "arn:") && isPrintable(text) && !strings.Contains(text, " "):
		return text, nil // of an access point; these have slashes
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

func parseEndpoint(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if strings.Contains(text, "@") {
		return "", hidden{errors.New("keys do not belong into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("a URL is wanted, such as http://127.0.0.1:9000 or https://s3.example.com")
	}
	return text, nil
}

func parseRegion(text string) (string, error) {
	if strings.Trim(text, hostBytes) != "" {
		return "", errors.New("the name of a region is wanted, such as eu-central-1")
	}
	return text, nil
}
