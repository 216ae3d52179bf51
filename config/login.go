package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

func parseUser(text string) (string, error) {
	if text == "" || len(text) > 128 || !isPrintable(text) {
		return "", errors.New("must be a name of 1 to 128 bytes without control characters")
	}
	return text, nil
}

func parsePassword(text string) (Secret, error) {
	switch {
	case text == "":
		return "", errors.New("must not be empty")
	case !utf8.ValidString(text):
		return "", errors.New("must be UTF-8, which clients send, not for example Latin-1")
	case !isPrintable(text):
		return "", errors.New("must not contain control characters, which FTP clients cannot send")
	}
	return Secret(text), nil
}

func parseFileName(text string) (string, error) {
	if text == "" {
		return "", errors.New("must be a file name")
	}
	return text, nil
}

// parseSubject reads the subject or the common name of a certificate. Nearly any text is valid.
func parseSubject(text string) (string, error) {
	if len(text) > 1024 || !isPrintable(text) || strings.TrimSpace(text) != text {
		return "", errors.New("must be the common name or the whole subject of a certificate, e.g. alice or CN=alice,O=Example")
	}
	return text, nil
}

// parsePasswordFile reads the name of a file that must be readable and not empty.
func parsePasswordFile(name string) (string, error) {
	text, err := os.ReadFile(name)
	switch {
	case err != nil:
		return "", unreadable(name, err)
	case len(text) == 0:
		return "", errors.New("must contain a password, but is empty")
	}
	return name, nil
}

// unreadable returns the error for a file with a secret that cannot be read. A relative name that does not exist may be the secret
// itself, so it is not printed.
func unreadable(name string, err error) error {
	if _, e := os.Lstat(name); e != nil && !filepath.IsAbs(name) {
		return hidden{fmt.Errorf("%w; must be the name of a file with the secret, not the secret itself", withoutPath(err))}
	}
	return withoutPath(err)
}

// withoutPath returns the cause of a *fs.PathError, because the message names the file already.
func withoutPath(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// parseBanAfter reads a number; 0 and off mean that there are no bans.
func parseBanAfter(text string) (int, error) {
	if text == "0" || text == "off" {
		return 0, nil
	}
	n, err := parseCount(text)
	if err != nil {
		return 0, errors.New("must be a number of failed logins, e.g. 15, or 0 for no bans")
	}
	return n, nil
}

// The sources of --auth.
const (
	S3Keys = "s3"       // name and password are an access key and its secret key
	LDAP   = "ldap-sts" // name and password are those of a user whom MinIO finds in LDAP
)

// parseAuth reads SOURCE,SOURCE,...
func parseAuth(text string) (sources []string, err error) {
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		switch {
		case item != S3Keys && item != LDAP:
			return nil, errors.New("must be s3 (S3 access keys and their secret keys log in), ldap-sts (users of MinIO's LDAP), or both, e.g. s3,ldap-sts")
		case slices.Contains(sources, item):
			return nil, fmt.Errorf("has %s twice", item)
		}
		sources = append(sources, item)
	}
	return sources, nil
}
