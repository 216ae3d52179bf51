// Package s3login lets users log in with an access key and its secret key of the S3 service.
//
// S3 itself decides, with each login: the package sends a request that is signed with the keys. The session then uses these
// keys, so the policies of S3 are the user's permissions. Nothing is remembered between logins.
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

const (
	maxLogins = 64               // that S3 is asked about at a time; others wait
	timeout   = 10 * time.Second // of one login; shorter than the client's time limit of --login-timeout
)

// A Source checks logins with S3. It may be used by many goroutines at once.
type Source struct {
	client  *s3fs.Client
	options s3fs.Options
	root    func(proxy.Buckets) proxy.Store
	running chan struct{} // an element for each login that S3 is asked about
}

// New returns a source of users of the client's service; the client's own keys are not used. The options are those of
// each user's store. If they name no bucket, root makes the store from the buckets of the user.
func New(client *s3fs.Client, options s3fs.Options, root func(proxy.Buckets) proxy.Store) *Source {
	return &Source{client, options, root, make(chan struct{}, maxLogins)}
}

// errWrongKeys is the error of refused logins.
var errWrongKeys = fmt.Errorf("wrong access key or secret key: %w", fs.ErrPermission)

// Login returns the account of an access key. The error wraps fs.ErrPermission if the keys are wrong. After any other error
// it is unknown whether they are.
func (s *Source) Login(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
	key, ok := accessKey(a.User)
	if !ok || a.Method != proxy.ByPassword || a.Password == "" || strings.ContainsFunc(a.Password, isNoKey) {
		return proxy.Account{}, errWrongKeys
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	case <-ctx.Done():
		return proxy.Account{}, fmt.Errorf("waiting for other logins: %w", ctx.Err())
	}
	client := s.client.WithKeys(key, a.Password)
	err := client.VerifyKeys(ctx, s.options.Bucket, s.prefix())
	switch {
	case errors.Is(err, s3fs.ErrWrongKeys):
		return proxy.Account{}, fmt.Errorf("%w: %v", errWrongKeys, err) // without the advice for the keys of the server
	case errors.Is(err, fs.ErrPermission):
		return proxy.Account{}, errors.New(err.Error()) // not wrapped: the keys may be right
	case err != nil:
		return proxy.Account{}, err
	}
	return proxy.Account{User: key, Store: s.store(client)}, nil
}

// store returns the store of a user.
func (s *Source) store(client *s3fs.Client) proxy.Store {
	if s.options.Bucket != "" {
		return s3fs.NewFS(client, s.options)
	}
	return s.root(s3fs.Buckets{Client: client, Options: s.options})
}

// prefix returns the prefix of all keys, with a slash at its end.
func (s *Source) prefix() string {
	if prefix := strings.Trim(s.options.Prefix, "/"); prefix != "" {
		return prefix + "/"
	}
	return ""
}

// accessKey returns the access key in a user name, and whether it can be one. The suffix =svc, which users of MinIO's FTP
// server add, says that the name is an access key.
func accessKey(user string) (key string, ok bool) {
	key = strings.TrimSuffix(user, "=svc")
	return key, key != "" && len(key) <= 128 && !strings.ContainsAny(key, "/,=") && !strings.ContainsFunc(key, isNoKey)
}

// isNoKey reports whether keys cannot contain a character.
func isNoKey(r rune) bool { return r <= ' ' || r > '~' }
