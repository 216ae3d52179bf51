package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/login"
)

// admit returns a Login that lets those whom the gate lets in into the store. An attempt with a certificate and no
// password is judged by the certificate alone.
func admit(gate *login.Gate, store proxy.Store, log *slog.Logger) func(context.Context, proxy.Attempt) (proxy.Store, error) {
	return func(ctx context.Context, a proxy.Attempt) (proxy.Store, error) {
		if a.Certificate != nil {
			switch names := subjects(a.Certificate); {
			case gate.Certified(a.User, names...):
				return store, nil
			case a.Password == "":
				if gate.Subject != "" {
					log.Warn("the client's certificate does not stand for the password", "user", a.User, "peer", a.Peer.String(),
						"subject", names, "advice", "--user-certificate has to be one of these to let it in")
				}
				return nil, fs.ErrPermission
			}
		}
		err := gate.Check(ctx, a.User, a.Password)
		switch {
		case errors.Is(err, login.ErrDenied):
			return nil, fs.ErrPermission
		case err != nil:
			return nil, errors.New(err.Error()) // not wrapped: a file that may not be read is no wrong password
		}
		return store, nil
	}
}

// secret returns where the password is found; nil = there is none.
func secret(c *config.Config) func() (string, error) {
	switch {
	case c.PasswordFile != "":
		return login.File(c.PasswordFile)
	case c.Password != "":
		return login.Text(string(c.Password))
	}
	return nil
}

// usable refuses a password that could let nobody in.
func usable(c *config.Config) error {
	where := "S3FTPD_PASSWORD"
	if c.PasswordFile != "" {
		where = fmt.Sprintf("--password-file %q", c.PasswordFile)
	}
	password := secret(c)
	if password == nil {
		return nil // a certificate stands for it
	}
	text, err := password()
	if err == nil {
		err = login.Usable(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}
