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
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3login"
)

// A login decides about a login attempt, as the Login field of ftp.Server.
type login func(context.Context, proxy.Attempt) (proxy.Account, error)

// A userSource is where users log in.
type userSource struct {
	login login

	// acceptsKey decides whether a public key, which a client has only offered, may log a user in, as the AcceptsKey field of
	// sftp.Server. nil = the users have no public keys.
	acceptsKey func(context.Context, proxy.Attempt) error
}

// admit returns the users of a directory, each with the account that account returns.
func admit(users *auth.Directory, account func(user string, peer netip.Addr) proxy.Account) userSource {
	return userSource{
		login: func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			u, err := users.Login(ctx, a)
			if err != nil {
				return proxy.Account{}, err
			}
			of := account(u.Name, a.Peer.Addr())
			of.Anonymous = u.Anonymous
			return of, nil
		},
		acceptsKey: users.AcceptsKey,
	}
}

// userOfOptions returns the user in the options, if any.
func userOfOptions(c *config.Config, store proxy.Store, all resources, log *slog.Logger) userSource {
	return admit(directory(c, all.hashing, log), func(user string, peer netip.Addr) proxy.Account {
		return proxy.Account{User: user, Store: store, Compat: compat(c, user, peer)}
	})
}

// directory returns the directory of the users in the options: that of --user, if any.
func directory(c *config.Config, limiter *auth.HashLimiter, log *slog.Logger) *auth.Directory {
	d := &auth.Directory{Limiter: limiter, CertificateSetting: "--user-certificate"}
	if err := d.Replace(users(c, log)); err != nil {
		log.Error("--user cannot log in", "err", err) // load has checked the password
	}
	return d
}

// users returns the users in the options.
func users(c *config.Config, log *slog.Logger) []auth.User {
	if c.User == "" {
		return nil
	}
	u := auth.User{Name: c.User, Certificate: c.UserCertificate}
	if c.AuthorizedKeys != "" {
		u.Keys = keysFile(c.AuthorizedKeys, c.User, log)
	}
	password := secret(c, passwordWarning(c, log))
	switch {
	case c.PasswordFile != "":
		u.Secret = password
		password() // for its warnings
	case password != nil:
		u.Password, _ = password()
	}
	return []auth.User{u}
}

// A denial refuses a login. Its text is for the log.
type denial string

func (d denial) Error() string        { return string(d) }
func (d denial) Is(target error) bool { return target == fs.ErrPermission }

// allUsers returns the users of all sources: those of --user or of a file, of the hook if it is not nil, and of the sources of --auth.
func allUsers(c *config.Config, ofUser userSource, file *accounts, ofHook *hookUsers, ofAuth []login) userSource {
	ofNames := ofUser
	if file != nil {
		ofNames = userSource{file.admit, file.directory.AcceptsKey}
	}
	var others []userSource
	if ofHook != nil {
		others = append(others, userSource{ofHook.login, ofHook.acceptsKey})
	}
	for _, of := range ofAuth {
		others = append(others, userSource{login: of})
	}
	if len(others) == 0 {
		return ofNames
	}
	return inTurn(knownNames(c, file), ofNames, others)
}

// inTurn returns the users with known names, and others. About other names it asks the sources, one after the other until one knows
// the user.
func inTurn(known func(name string) bool, ofNames userSource, others []userSource) userSource {
	return userSource{
		login: func(ctx context.Context, a proxy.Attempt) (account proxy.Account, err error) {
			if known(a.User) {
				return ofNames.login(ctx, a)
			}
			err = ask(others, a.Method == proxy.ByPublicKey, func(of userSource) (err error) {
				account, err = of.login(ctx, a)
				return err
			})
			return account, err
		},
		acceptsKey: func(ctx context.Context, a proxy.Attempt) error {
			if err := ofNames.acceptsKey(ctx, a); known(a.User) { // asked about other names too, since it costs the same for all
				return err
			}
			return ask(others, true, func(of userSource) error { return of.acceptsKey(ctx, a) })
		},
	}
}

// ask asks sources, only those with public keys if keys is true, until one knows the user.
func ask(sources []userSource, keys bool, about func(userSource) error) error {
	var errs []string
	for _, of := range sources {
		if keys && of.acceptsKey == nil {
			continue
		}
		err := about(of)
		if !errors.Is(err, proxy.ErrUnknownUser) {
			return err
		}
		errs = append(errs, err.Error())
	}
	if len(errs) == 0 {
		errs = []string{proxy.ErrUnknownUser.Error()}
	}
	return denial(strings.Join(errs, "; "))
}

// knownNames returns a function that reports whether a name is that of --user or in the users file.
func knownNames(c *config.Config, file *accounts) func(name string) bool {
	if file != nil {
		return file.has
	}
	return func(name string) bool { return name == c.User }
}

// authSources returns the logins of the sources of --auth. The options are those of each user's store.
func authSources(c *config.Config, client *s3fs.Client, options s3fs.Options, known func(name string) bool, t *turns) (list []login) {
	for _, name := range c.Auth {
		source := s3login.New(client, options, grant.Buckets)
		if name == config.LDAP {
			source = s3login.NewLDAP(client, options, grant.Buckets)
		}
		source.Taken = known
		list = append(list, t.limit(withCompat(c, source.Login)))
	}
	return list
}

// withCompat returns a login with the settings of the user's device.
func withCompat(c *config.Config, of login) login {
	return func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
		account, err := of(ctx, a)
		if err != nil {
			return proxy.Account{}, err
		}
		account.Compat = compat(c, account.User, a.Peer.Addr())
		return account, nil
	}
}

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
