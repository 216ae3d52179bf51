package main

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
)

// The hash that passwd prints accepts the password.
func TestPasswd(t *testing.T) {
	for stdin, password := range map[string]string{
		"wonderland\n": "wonderland", "wonderland\r\nsecond line\n": "wonderland", "wonder land": "wonder land", " ä \n": " ä ",
	} {
		code, out, err := output(t, stdin, nil, "passwd")
		hash := strings.TrimSuffix(out, "\n")
		if code != 0 || err != "" || strings.Contains(hash, "\n") || strings.Contains(out, "wonder") {
			t.Errorf("%q: %d, %q, %q", stdin, code, out, err)
		}
		if err := checkHash(t, hash, password); err != nil {
			t.Errorf("%q: %v", stdin, err)
		}
	}
}

// checkHash returns the error of a login with a password that has a hash.
func checkHash(t *testing.T, hash, password string) error {
	t.Helper()
	c := &config.Config{User: "alice", Password: config.Secret(hash)}
	_, err := directory(c, newResources(c, nil).hashing, quiet).Login(t.Context(), proxy.Attempt{User: "alice", Password: password})
	return err
}

// passwd refuses an empty password and control characters, which clients cannot send, and passes errors of the input on.
func TestPasswdRefuses(t *testing.T) {
	for _, stdin := range []string{"", "\n", "a\tb\n", "\x00"} {
		if code, out, err := output(t, stdin, nil, "passwd"); code != exitFailure || out != "" || !strings.HasPrefix(err, "s3ftpd: ") {
			t.Errorf("%q: %d, %q, %q", stdin, code, out, err)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := firstLine(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
