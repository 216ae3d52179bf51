package s3login

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// NewLDAP returns a source of users whom MinIO, the client's service, finds in LDAP. The other arguments are those of New.
//
// A user gets temporary keys, which are renewed while the session lives. For that it keeps the password in memory. If MinIO refuses
// to renew them, the session ends: a running transfer may go on until the keys expire.
func NewLDAP(client *s3fs.Client, options s3fs.Options, root func(proxy.Buckets) proxy.Store) *Source {
	return &Source{client: client, options: options, root: root, ask: (*Source).askLDAP}
}

const maxLDAPName = 255 // bytes

// askLDAP logs in with a name and a password in LDAP.
func (s *Source) askLDAP(ctx context.Context, user, password string) (proxy.Account, error) {
	name := strings.TrimSuffix(user, ofLDAP)
	switch {
	case name == "" || len(name) > maxLDAPName || !proxy.IsPrintable(name) || strings.HasSuffix(user, ofKeys):
		return proxy.Account{}, fmt.Errorf("%w: the name cannot be one in LDAP", errUnknown)
	case password == "": // LDAP servers take it for an anonymous login, and accept it
		return proxy.Account{}, fmt.Errorf("%w: the password is empty", errWrongLDAP)
	}
	u, err := s.client.LoginLDAP(ctx, name, password)
	switch {
	case errors.Is(err, s3fs.ErrUnknownLDAPUser):
		return proxy.Account{}, fmt.Errorf("%w: %w", errUnknown, err)
	case errors.Is(err, s3fs.ErrRefusedLDAPUser):
		return proxy.Account{}, fmt.Errorf("%w: %w", errWrongLDAP, err)
	case err != nil:
		return proxy.Account{}, err
	}
	account := s.account(u.Client, user, name)
	account.Now = func() (*proxy.Account, error) {
		if u.IsRefused() {
			return nil, proxy.ErrUserRemoved
		}
		return nil, nil
	}
	return account, nil
}
