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

// A login decides about a login attempt, as the Login field of ftp.Server.
type login func(context.Context, proxy.Attempt) (proxy.Account, error)

// admit returns a login that checks each attempt with the authenticator and returns the user's account. A client certificate with
// the configured subject is accepted without a password. Otherwise the password decides.
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
			return proxy.Account{}, errors.New(err.Error()) // not wrapped: an unreadable password file is not a wrong password
		}
		return account(a.User, a.Peer.Addr()), nil
	}
}

// logins returns the login of --user, of --auth, or of both: then the name decides which one is asked.
func logins(c *config.Config, ofUser, ofKeys login) login {
	switch {
	case len(c.Auth) == 0:
		return ofUser
	case c.User == "":
		return ofKeys
	}
	return func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
		if a.User == c.User {
			return ofUser(ctx, a)
		}
		return ofKeys(ctx, a)
	}
}

// withKeys returns a login with S3 keys, with the settings of the user's device.
func withKeys(c *config.Config, keys login) login {
	return func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
		account, err := keys(ctx, a)
		if err != nil {
			return proxy.Account{}, err
		}
		account.Compat = compat(c, account.User, a.Peer.Addr())
		return account, nil
	}
}

// A wrongLogin is the error of a wrong login. Its text, for the log, says how to log in correctly.
type wrongLogin string

func (w wrongLogin) Error() string        { return string(w) }
func (w wrongLogin) Is(target error) bool { return target == fs.ErrPermission }

// secret returns a function that reads the password, or nil if no password is configured. It passes probable mistakes in the
// password, such as white space at its end, to warn.
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

// passwordSource returns the option or environment variable that holds the password.
func passwordSource(c *config.Config) string {
	if c.PasswordFile != "" {
		return fmt.Sprintf("--password-file %q", c.PasswordFile)
	}
	return "S3FTPD_PASSWORD"
}

// passwordWarning returns a function that logs problems of the password.
func passwordWarning(c *config.Config, log *slog.Logger) func(problem string) {
	return func(problem string) {
		log.Warn("the password may not be the one that is meant", "option", passwordSource(c), "problem", problem)
	}
}

// validatePassword returns an error if the password cannot be read or is invalid, so that every login would fail.
func validatePassword(c *config.Config) error {
	password := secret(c, func(string) {})
	if password == nil {
		return nil // logins need a client certificate instead
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
