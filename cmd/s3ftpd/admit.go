package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/login"
)

// admit returns a Login that lets those whom the gate lets in into the store.
func admit(gate *login.Gate, store proxy.Store) func(context.Context, proxy.Attempt) (proxy.Store, error) {
	return func(ctx context.Context, a proxy.Attempt) (proxy.Store, error) {
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

// secret returns where the password is found.
func secret(c *config.Config) func() (string, error) {
	if c.PasswordFile != "" {
		return login.File(c.PasswordFile)
	}
	return login.Text(string(c.Password))
}

// usable refuses a password that could let nobody in.
func usable(c *config.Config) error {
	where := "S3FTPD_PASSWORD"
	if c.PasswordFile != "" {
		where = fmt.Sprintf("--password-file %q", c.PasswordFile)
	}
	text, err := secret(c)()
	if err == nil {
		err = login.Usable(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}
