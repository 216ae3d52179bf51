package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
)

// accounts are the users of a users file, and their places in S3. They change with the file while sessions run.
type accounts struct {
	config    *config.Config
	places    *places
	directory auth.Directory
	sessions  *proxy.Sessions
	log       *slog.Logger
	users     atomic.Pointer[config.Users]
	changed   func() // called after a change of the users; nil = nothing is called

	file reloader // used only by openAccounts and then by the goroutine of reloadOnChange
}

// openAccounts reads the users file. It fails if that is invalid, and returns nil if none is configured. The users can log in after
// start.
func openAccounts(c *config.Config, log *slog.Logger) (*accounts, error) {
	if c.Users == "" {
		return nil, nil
	}
	a := &accounts{config: c, log: log}
	a.directory.CertificateSetting = "certificate in the users file"
	text, now, err := a.read()
	if err != nil {
		return nil, err
	}
	users, err := config.ParseUsers(c.Users, text, c)
	if err != nil {
		return nil, err
	}
	a.users.Store(users)
	a.file.seen = now
	return a, nil
}

// start lets the users log in.
func (a *accounts) start(p *places, all resources) error {
	if a == nil {
		return nil
	}
	a.places, a.sessions, a.directory.Limiter = p, all.sessions, all.hashing
	return a.install(a.users.Load())
}

// read returns the content of the users file, and its digest even after an error.
func (a *accounts) read() ([]byte, digest, error) {
	text, err := os.ReadFile(a.config.Users)
	if err != nil {
		return nil, sha256.Sum256([]byte(err.Error())), fmt.Errorf("--users: %w", err)
	}
	return text, sha256.Sum256(text), nil
}

// use installs the users in a text, and ends the sessions of those who are gone. On error the current ones stay.
func (a *accounts) use(text []byte) error {
	users, err := config.ParseUsers(a.config.Users, text, a.config)
	if err != nil {
		return err
	}
	before := a.users.Load()
	if err := a.install(users); err != nil {
		return err
	}
	if a.changed != nil {
		a.changed()
	}
	added, removed, changed := userDifferences(before, users)
	a.log.Info("users changed", "added", added, "removed", removed, "changed", changed)
	a.sessions.EndUsers(func(name string) bool { return before.Lookup(name) != nil && users.Lookup(name) == nil })
	return nil
}

// userDifferences counts the users that differ.
func userDifferences(before, now *config.Users) (added, removed, changed int) {
	for _, u := range now.All() {
		switch old := before.Lookup(u.Name); {
		case old == nil:
			added++
		case !sameUser(old, u):
			changed++
		}
	}
	return added, len(before.All()) - len(now.All()) + added, changed
}

// install lets these users log in, and no others.
func (a *accounts) install(users *config.Users) error {
	if err := a.directory.Replace(a.logins(users)); err != nil {
		return fmt.Errorf("%s: %w", a.config.Users, err)
	}
	a.users.Store(users)
	a.log.Info("users", "file", a.config.Users, "users", len(users.All()))
	if a.refusesAll(users) {
		a.log.Warn(noUsers, "file", a.config.Users, "advice", noUsersAdvice)
	}
	return nil
}

// Texts about a users file with which no client can log in.
const (
	noUsers       = "no client can log in: there is no user who is not disabled or expired"
	noUsersAdvice = "add users with s3ftpd passwd --users FILE --name NAME"
)

// refusesAll reports whether no user can log in.
func (a *accounts) refusesAll(users *config.Users) bool {
	now := time.Now()
	return len(a.config.Auth) == 0 && !slices.ContainsFunc(users.All(), func(u *config.User) bool { return mayHaveSessions(u, now) })
}

// logins returns how the users log in.
func (a *accounts) logins(users *config.Users) []auth.User {
	list := make([]auth.User, 0, len(users.All()))
	for _, u := range users.All() {
		list = append(list, loginOf(u, a.log))
	}
	return list
}

// loginOf returns how a user logs in.
func loginOf(u *config.User, log *slog.Logger) auth.User {
	l := auth.User{Name: u.Name, Password: string(u.Password), Anonymous: u.AnyPassword, Certificate: u.Certificate, AllowFrom: u.AllowFrom,
		PublicKeys: publicKeys(u.PublicKeys), Protocols: u.Protocols, Expires: u.Expires, Disabled: u.Disabled}
	for _, f := range u.SecondFactor {
		l.Factors = append(l.Factors, auth.Factor(f))
	}
	if u.PasswordFile != "" {
		l.Secret = auth.File(u.PasswordFile, func(problem string) {
			log.Warn("the password may not be the one that is meant", "user", u.Name, "file", u.PasswordFile, "problem", problem)
		})
	}
	if u.PublicKeysFile != "" {
		l.Keys = keysFile(u.PublicKeysFile, u.Name, log)
	}
	return l
}

// has reports whether the users file has a name.
func (a *accounts) has(name string) bool { return a.users.Load().Lookup(name) != nil }

// mayHaveSessions reports whether a user is there, not disabled and not expired.
func mayHaveSessions(u *config.User, now time.Time) bool {
	return u != nil && !u.Disabled && (u.Expires.IsZero() || now.Before(u.Expires))
}

// endSessions ends the sessions of users who are disabled or have expired. Names that are not in the file may be of other sources.
func (a *accounts) endSessions() {
	users, now := a.users.Load(), time.Now()
	a.sessions.EndUsers(func(name string) bool {
		u := users.Lookup(name)
		return u != nil && !mayHaveSessions(u, now)
	})
}

// reloadOnChange reads the users file at each interval and at each SIGHUP, until ctx is done.
func (a *accounts) reloadOnChange(ctx context.Context, every time.Duration, hangups <-chan os.Signal) {
	lookOnChange(ctx, every, hangups, a.look)
}

// look installs the users if the file has changed or, after SIGHUP, if asked is true, see reloader. It ends the sessions of users who
// have expired.
func (a *accounts) look(asked bool) {
	text, now, readErr := a.read()
	err := a.file.look(now, asked, func() error {
		if readErr != nil {
			return readErr
		}
		return a.use(text)
	})
	if err != nil {
		a.log.Warn("new users file is invalid, keeping the current users", "file", a.config.Users,
			"advice", "put the file right; it is looked at every 10 s, and on SIGHUP", "err", err)
	}
	a.endSessions()
}

// maxProbes limits the buckets that are asked at the start.
const maxProbes = 20

// probe lists a place of some user in each bucket, so that a wrong configuration is logged at the start and not at the first transfer.
func (a *accounts) probe(ctx context.Context) {
	asked := make(map[bucketOf]bool)
	for _, u := range a.users.Load().All() {
		access := accessOf(u)
		for _, m := range u.Mounts {
			bucket := bucketOf{access, m.Bucket}
			if asked[bucket] || !slices.Contains(m.Permissions, "list") || !mayHaveSessions(u, time.Now()) {
				continue
			}
			if asked[bucket] = true; len(asked) > maxProbes || ctx.Err() != nil {
				return
			}
			a.probeMount(ctx, u, m)
		}
	}
}

// probeMount lists a place of a user once.
func (a *accounts) probeMount(ctx context.Context, u *config.User, m config.Mount) {
	store, release := a.places.store(u, m)
	defer release()
	switch err := firstError(store.List(ctx, "/", "")); {
	case ctx.Err() != nil:
	case err == nil:
		a.log.Info("the bucket answers", "bucket", m.Bucket, "user", u.Name)
	default:
		a.log.Error("the bucket does not answer; transfers fail until it does", "bucket", m.Bucket, "user", u.Name, "err", err)
	}
}

// admit logs in a user of the file.
func (a *accounts) admit(ctx context.Context, at proxy.Attempt) (proxy.Account, error) {
	checked, err := a.directory.Login(ctx, at)
	if err != nil {
		return proxy.Account{}, err
	}
	account, err := a.places.account(at, func() *config.User { return a.users.Load().Lookup(checked.Name) })
	account.Anonymous = checked.Anonymous
	return account, err
}
