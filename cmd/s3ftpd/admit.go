package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
)

// A login is what ftp.Server asks about an attempt.
type login func(context.Context, proxy.Attempt) (proxy.Account, error)

// admit returns a login that yields the account of the users whom the authenticator accepts. An attempt with a certificate and no
// password is judged by the certificate alone.
func admit(authenticator *auth.Authenticator, account func(user string, peer netip.Addr) proxy.Account) login {
	return func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
		denied := error(fs.ErrPermission)
		if a.Certificate != nil {
			names := subjects(a.Certificate)
			if authenticator.AcceptsCertificate(a.User, names...) {
				return account(a.User, a.Peer.Addr()), nil
			}
			if authenticator.Subject != "" {
				denied = wrongLogin("wrong user or password; for a login by certificate, --user-certificate must be " + strings.Join(names, " or "))
			}
			if a.Password == "" {
				return proxy.Account{}, denied
			}
		}
		err := authenticator.Check(ctx, a.User, a.Password)
		switch {
		case errors.Is(err, auth.ErrDenied):
			return proxy.Account{}, denied
		case err != nil:
			return proxy.Account{}, errors.New(err.Error()) // not wrapped: a file that may not be read is no wrong password
		}
		return account(a.User, a.Peer.Addr()), nil
	}
}

// A wrongLogin is the error of a wrong login, and says for the log what would be right.
type wrongLogin string

func (w wrongLogin) Error() string        { return string(w) }
func (w wrongLogin) Is(target error) bool { return target == fs.ErrPermission }

// secret returns where the password is found; nil = there is none. What may not be meant so in it goes to warn.
func secret(c *config.Config, warn func(problem string)) func() (string, error) {
	switch {
	case c.PasswordFile != "":
		return auth.File(c.PasswordFile, warn)
	case c.Password != "":
		password, problems := auth.Clean(string(c.Password))
		for _, problem := range problems {
			warn(problem)
		}
		return auth.Fixed(password)
	}
	return nil
}

// passwordSource names the option that the password comes from.
func passwordSource(c *config.Config) string {
	if c.PasswordFile != "" {
		return fmt.Sprintf("--password-file %q", c.PasswordFile)
	}
	return "S3FTPD_PASSWORD"
}

// passwordWarning logs problems of the password.
func passwordWarning(c *config.Config, log *slog.Logger) func(problem string) {
	return func(problem string) {
		log.Warn("the password may not be the one that is meant", "option", passwordSource(c), "problem", problem)
	}
}

// usable refuses a password that could let nobody in.
func usable(c *config.Config) error {
	password := secret(c, func(string) {})
	if password == nil {
		return nil // a certificate stands for it
	}
	text, err := password()
	if err == nil {
		err = auth.Validate(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", passwordSource(c), err)
	}
	return nil
}
