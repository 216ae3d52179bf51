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
		return "", errors.New("a name of 1 to 128 bytes without control characters is wanted")
	}
	return text, nil
}

func parsePassword(text string) (Secret, error) {
	switch {
	case text == "":
		return "", errors.New("is empty; a password is wanted")
	case !utf8.ValidString(text):
		return "", errors.New("is not UTF-8, perhaps Latin-1: clients could not send it")
	case !isPrintable(text):
		return "", errors.New("has control characters, which no FTP client can send")
	}
	return Secret(text), nil
}

func parseFileName(text string) (string, error) {
	if text == "" {
		return "", errors.New("a file name is wanted")
	}
	return text, nil
}

// parseSubject reads the subject of a certificate, of which no more can be told than that it may be one.
func parseSubject(text string) (string, error) {
	if len(text) > 1024 || !isPrintable(text) || strings.TrimSpace(text) != text {
		return "", errors.New("the common name or the whole subject of a certificate is wanted, such as alice or CN=alice,O=Example")
	}
	return text, nil
}

// readable reads the name of a file that is there, may be read and is not empty.
func readable(name string) (string, error) {
	text, err := os.ReadFile(name)
	switch {
	case err != nil:
		return "", withoutPath(err)
	case len(text) == 0:
		return "", errors.New("is empty; a password is wanted")
	}
	return name, nil
}

// withoutPath returns why a file cannot be read, without its name, which the mistake names already.
func withoutPath(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
