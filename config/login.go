package config

import (
	"errors"
	"io/fs"
	"os"
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
		return "", withoutPath(err)
	case len(text) == 0:
		return "", errors.New("must contain a password, but is empty")
	}
	return name, nil
}

// withoutPath returns the cause of a *fs.PathError, because the message names the file already.
func withoutPath(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// parseAuth reads a source of users.
func parseAuth(text string) (string, error) {
	switch text {
	case "s3":
		return text, nil
	case "ldap-sts":
		return "", errors.New("is not yet supported: must be s3")
	}
	return "", errors.New("must be s3: S3 access keys and their secret keys log in")
}
