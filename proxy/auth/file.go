package auth

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Fixed returns a function for User.Secret that always returns secret.
func Fixed(secret string) func() (string, error) {
	return func() (string, error) { return secret, nil }
}

// maxSecret is the maximal length of a secret in bytes.
const maxSecret = 4096

// File returns a function for User.Secret that reads a file, and passes it through Clean. It reads the file each
// time, so a changed password is valid from the next login, and the old one no longer. It passes the problems of each new
// content to warn; nil = it drops them.
func File(path string, warn func(problem string)) func() (string, error) {
	var (
		mu   sync.Mutex
		last string
	)
	return func() (string, error) {
		text, err := read(path)
		if err != nil {
			return "", err
		}
		password, problems := Clean(text)
		mu.Lock()
		changed := text != last
		last = text
		mu.Unlock()
		for _, problem := range problems {
			if changed && warn != nil {
				warn(problem)
			}
		}
		return password, nil
	}
}

func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxSecret:
		return "", errors.New(path + " is too long for a password")
	case strings.HasPrefix(string(text), "\xFF\xFE"), strings.HasPrefix(string(text), "\xFE\xFF"):
		return "", errors.New(path + " is UTF-16: save it as UTF-8")
	}
	return string(text), nil
}

// Clean returns the password or hash in text, without a byte order mark, line ends and, around a hash, white space. The
// problems describe likely mistakes, without any part of the password.
func Clean(text string) (password string, problems []string) {
	text = strings.TrimPrefix(text, "\uFEFF")
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if lines := strings.Count(text, "\n") + 1; lines > 1 {
		problems = append(problems, fmt.Sprintf("has %d lines: only the first is the password", lines))
		text, _, _ = strings.Cut(text, "\n")
		text = strings.TrimSuffix(text, "\r")
	}
	if trimmed := strings.TrimFunc(text, isBlank); isHash.MatchString(trimmed) {
		text = trimmed
	} else if trimmed != text {
		problems = append(problems, "begins or ends with white space, which is part of the password")
	}
	if !utf8.ValidString(text) {
		problems = append(problems, "is not UTF-8 (perhaps Latin-1): clients that send UTF-8 cannot log in")
	}
	return text, problems
}

// isBlank reports whether a character is invisible at the end of a line.
func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\u200B' || r == '\uFEFF' }
