package login

import (
	"errors"
	"io"
	"os"
	"strings"
)

// Text returns a Secret that never changes.
func Text(secret string) func() (string, error) {
	return func() (string, error) { return secret, nil }
}

// longest is more than any password or hash is long.
const longest = 4096

// File returns a Secret that is a file's content, without one line end behind it. The file is read each time:
// a changed password counts from the next login on, and no stale one is ever good.
func File(path string) func() (string, error) {
	return func() (string, error) {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, longest+1))
		if err != nil {
			return "", err
		}
		if len(text) > longest {
			return "", errors.New(path + " is too long for a password")
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
	}
}
