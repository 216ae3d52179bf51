// Package s3login lets users of the S3 service log in: with an access key and its secret key, see [New], or with a name and a
// password in LDAP, see [NewLDAP].
//
// S3 itself decides, with each login: about keys by a request that is signed with them, and about users in LDAP by MinIO's STS. The
// session then uses the user's keys, so the policies of S3 are the user's permissions. Nothing is remembered between logins. The
// package does not limit the number of logins at a time; its caller must do that.
//
// The suffix of a user name can choose the source, as in MinIO's own servers: =svc is that of access keys, =ldap that of LDAP.
package s3login

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// timeout is the time limit of one login. It is shorter than the client's time limit of --login-timeout.
const timeout = 10 * time.Second

// A Source checks logins with S3. It may be used by many goroutines at once.
type Source struct {
	// Taken reports whether a user of another source has a name. Then the account of a user who adds a suffix to that name has the
	// suffix too. nil = none has.
	Taken func(name string) bool

	client  *s3fs.Client
	options s3fs.Options
	root    func(proxy.Buckets) proxy.Store
	ask     func(s *Source, ctx context.Context, user, password string) (proxy.Account, error)
}

// The suffixes of user names.
const (
	ofKeys = "=svc"
	ofLDAP = "=ldap"
)

// New returns a source of users who log in with keys of the client's service; the client's own keys are not used. The options are
// those of each user's store, except for User. If they name no bucket, root makes the store from the buckets of the user.
func New(client *s3fs.Client, options s3fs.Options, root func(proxy.Buckets) proxy.Store) *Source {
	return &Source{client: client, options: options, root: root, ask: (*Source).askKeys}
}

// Errors that refuse logins. The next source may know a user whom this one does not know.
var (
	errWrongKeys = fmt.Errorf("wrong access key or secret key: %w", fs.ErrPermission)
	errWrongLDAP = fmt.Errorf("wrong login with LDAP: %w", fs.ErrPermission)
	errUnknown   = fmt.Errorf("%w: %w", proxy.ErrUnknownUser, fs.ErrPermission)
)

// Login returns the account of a user. The error wraps fs.ErrPermission if the login is wrong, and also proxy.ErrUnknownUser if the
// source does not know the user. After any other error it is unknown whether the login is right. No error has the password.
func (s *Source) Login(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
	if a.Method != proxy.ByPassword {
		return proxy.Account{}, errWrongKeys
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	account, err := s.ask(s, ctx, a.User, a.Password)
	switch {
	case err == nil:
		return account, nil
	case errors.Is(err, errWrongKeys), errors.Is(err, errWrongLDAP), errors.Is(err, errUnknown):
		return proxy.Account{}, err
	case errors.Is(err, fs.ErrPermission):
		return proxy.Account{}, errors.New(err.Error()) // not wrapped: the login may be right
	}
	return proxy.Account{}, err
}

// askKeys logs in with an access key and its secret key.
func (s *Source) askKeys(ctx context.Context, user, secret string) (proxy.Account, error) {
	key, ok := accessKey(user)
	switch {
	case !ok:
		return proxy.Account{}, fmt.Errorf("%w: the name cannot be an access key", errUnknown)
	case secret == "" || strings.ContainsFunc(secret, isNoKey):
		return proxy.Account{}, errWrongKeys
	}
	client := s.client.WithKeys(key, secret)
	err := client.VerifyKeys(ctx, s.options.Bucket, s.prefix())
	switch {
	case errors.Is(err, s3fs.ErrUnknownKey):
		return proxy.Account{}, fmt.Errorf("%w: %v", errUnknown, err) // without the advice for the keys of the server
	case errors.Is(err, s3fs.ErrWrongKeys):
		return proxy.Account{}, fmt.Errorf("%w: %v", errWrongKeys, err)
	case err != nil:
		return proxy.Account{}, err
	}
	return s.account(client, user, key), nil
}

// account returns the account of a user, whose name the client has sent as sent.
func (s *Source) account(client *s3fs.Client, sent, user string) proxy.Account {
	if s.Taken != nil && s.Taken(user) {
		user = sent
	}
	return proxy.Account{User: user, Store: s.store(client, user)}
}

// store returns the store of a user.
func (s *Source) store(client *s3fs.Client, user string) proxy.Store {
	o := s.options
	o.User = user
	if o.Bucket != "" {
		return s3fs.NewFS(client, o)
	}
	return s.root(s3fs.Buckets{Client: client, Options: o})
}

// prefix returns the prefix of all keys, with a slash at its end.
func (s *Source) prefix() string {
	if prefix := strings.Trim(s.options.Prefix, "/"); prefix != "" {
		return prefix + "/"
	}
	return ""
}

// accessKey returns the access key in a user name, and whether it can be one.
func accessKey(user string) (key string, ok bool) {
	key = strings.TrimSuffix(user, ofKeys)
	return key, key != "" && len(key) <= 128 && !strings.ContainsAny(key, "/,=") && !strings.ContainsFunc(key, isNoKey)
}

// isNoKey reports whether keys cannot contain a character.
func isNoKey(r rune) bool { return r <= ' ' || r > '~' }
