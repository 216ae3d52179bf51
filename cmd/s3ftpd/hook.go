package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/proxy/auth/hook"
	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

// hookUsers are the users that the hook of --auth-url knows.
type hookUsers struct {
	config  *config.Config
	places  *places
	hashing *auth.HashLimiter
	turns   *turns
	file    *accounts // whose defaults apply; nil = none
	log     *slog.Logger
	source  *hook.Source[*hookUser]
	keys    keyAnswers
}

// A hookUser is a user as an answer of the hook describes it.
type hookUser struct {
	user      *config.User
	directory auth.Directory // has this user alone
}

// newHookUsers returns the users of the hook, or nil if none is configured.
func newHookUsers(c *config.Config, p *places, file *accounts, all resources, t *turns, log *slog.Logger) *hookUsers {
	if c.AuthURL == "" {
		return nil
	}
	h := &hookUsers{config: c, places: p, hashing: all.hashing, turns: t, file: file, log: log}
	h.source = hookSource(c, h.accept)
	if file != nil {
		file.changed = h.source.Forget
	}
	log.Info("users of a hook can log in", "signed", c.AuthURLSecretFile != "")
	return h
}

// hookSource returns the source of users of the options.
func hookSource[U any](c *config.Config, accept func(context.Context, proxy.Attempt, []byte) (U, error)) *hook.Source[U] {
	return &hook.Source[U]{URL: c.AuthURL, Client: signed.NewClient(c.AuthURL, maxTurns), Secret: signed.SecretFile(c.AuthURLSecretFile),
		Timeout: c.AuthURLTimeout, Accept: accept}
}

// close ends idle connections to the hook.
func (h *hookUsers) close() {
	if h != nil {
		h.source.Client.CloseIdleConnections()
	}
}

// accept returns the user in an answer, if the answer allows the attempt: its keys hold as in a users file, but the hook has
// checked the password or the certificate.
func (h *hookUsers) accept(ctx context.Context, a proxy.Attempt, body []byte) (*hookUser, error) {
	var defaults *config.Users
	if h.file != nil {
		defaults = h.file.users.Load()
	}
	user, err := defaults.ParseUser(a.User, body, h.config)
	if err != nil {
		return nil, fmt.Errorf("the answer of the hook is invalid: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	login := loginOf(user, h.log)
	if user.Password == "" && user.PasswordFile == "" && a.Method != proxy.ByPublicKey {
		login.Anonymous = true // the password is right
	}
	if a.PublicKey != nil && len(login.PublicKeys) == 0 && login.Keys == nil {
		login.PublicKeys = []auth.PublicKey{{Digest: sha256.Sum256(a.PublicKey)}}
	}
	if a.Method == proxy.ByCertificate && user.Certificate == "" {
		login.Certificate = a.Subject()
	}
	if err := h.hashing.CheckOther(login); err != nil {
		return nil, fmt.Errorf("the answer of the hook is invalid: %w", err)
	}
	u := &hookUser{user: user}
	u.directory.Limiter, u.directory.CertificateSetting = h.hashing, "certificate in the answer of the hook"
	if err := u.directory.Replace([]auth.User{login}); err != nil {
		return nil, fmt.Errorf("the answer of the hook is invalid: %w", err)
	}
	return u, u.proves(ctx, a)
}

// proves returns an error if an attempt proves nothing about the user. It returns nil also if another proof is needed beside it.
func (u *hookUser) proves(ctx context.Context, a proxy.Attempt) error {
	_, err := u.directory.Login(ctx, a)
	if errors.Is(err, proxy.ErrNeedsPassword) || errors.Is(err, proxy.ErrNeedsPublicKey) {
		return nil
	}
	return err
}

// login logs in a user of the hook. A session keeps the user that the hook has described at its login.
func (h *hookUsers) login(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
	find := h.find
	switch {
	case a.Method == proxy.ByPublicKey && a.Password == "":
		find = h.findByKey
	case a.Method == proxy.ByPublicKey: // the hook is asked about both
		a.Method = proxy.ByPassword
	}
	u, err := find(ctx, a)
	if err == nil {
		_, err = u.directory.Login(ctx, a)
	}
	if err != nil {
		return proxy.Account{}, err
	}
	account, err := h.places.account(a, func() *config.User { return u.user })
	account.Anonymous = u.user.AnyPassword || u.user.Name == "anonymous"
	account.Limits.Until = u.user.Expires
	return account, err
}

// find returns the user of an attempt from the remembered logins, or from the hook.
func (h *hookUsers) find(ctx context.Context, a proxy.Attempt) (*hookUser, error) {
	if u, ok := h.source.Remembered(a); ok {
		if u.proves(ctx, a) == nil { // the user may have expired
			return u, nil
		}
	}
	release, err := h.turns.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return h.source.Login(ctx, a)
}

// endExpired ends sessions of users who have expired, at an interval, until ctx is done.
func endExpired(ctx context.Context, sessions *proxy.Sessions, every time.Duration) {
	lookOnChange(ctx, every, nil, func(bool) { sessions.EndExpired() })
}
