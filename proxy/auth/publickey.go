package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A PublicKey is a public key that logs a user in.
type PublicKey struct {
	Digest [sha256.Size]byte // of the key in the format of RFC 4253, section 6.6
	From   []netip.Prefix    // the client's networks; none = all
}

// AcceptsKey returns nil if the PublicKey of an attempt, which the client has only offered, is one of the user. Otherwise the error
// is ErrDenied, and fs.ErrPermission, for errors.Is; or, if the user's Keys has failed, any other error. It costs the same for all
// names.
func (d *Directory) AcceptsKey(_ context.Context, a proxy.Attempt) error {
	set := d.users.Load()
	r, reason := set.allowed(a)
	return set.keyError(r, reason, a)
}

// byPublicKey decides about an attempt with a key whose signature was verified.
func (d *Directory) byPublicKey(ctx context.Context, a proxy.Attempt) (User, error) {
	set := d.users.Load()
	r, reason := set.allowed(a)
	err := set.keyError(r, reason, a)
	switch {
	case err != nil:
		return User{}, err
	case !r.needs(Password):
		return r.User, nil
	case a.Password == "":
		return User{}, proxy.ErrNeedsPassword
	}
	right, err := d.isRight(ctx, set, r, a)
	switch {
	case err != nil:
		return User{}, err
	case !right:
		return User{}, denial("wrong password")
	}
	return r.User, nil
}

// keyError returns nil if the attempt's key is one of the user r, or has a certificate for the user. Without a user who may log in,
// r is nil, and reason says why; then it looks for the key nevertheless, so that the refusal takes as long.
func (set *userSet) keyError(r *record, reason string, a proxy.Attempt) error {
	keys, err := set.keysOf(r)
	client := a.Peer.Addr().Unmap().WithZone("")
	digest := sha256.Sum256(a.PublicKey)
	i := slices.IndexFunc(keys, func(k PublicKey) bool { return k.Digest == digest })
	switch {
	case r == nil:
		return denial(reason)
	case a.Certified && r.may(Key):
		return nil
	case err != nil:
		return fmt.Errorf("reading the public keys of %q: %v", r.Name, err) // not wrapped: it may be fs.ErrPermission
	case len(a.PublicKey) == 0 || i < 0 && !a.Certified:
		return denial("not a public key of the user")
	case i >= 0 && len(keys[i].From) > 0 && !slices.ContainsFunc(keys[i].From, func(network netip.Prefix) bool { return network.Contains(client) }):
		return denial(fmt.Sprintf("the user may not log in with this public key from %s, which is not in from=", client))
	case !r.may(Key):
		return denial("the user may not log in with a public key, see second-factor")
	}
	return nil
}

// keysOf returns the public keys of a user. For users without a Keys of their own it calls that of another user, if there is one, so
// that all take as long.
func (set *userSet) keysOf(r *record) ([]PublicKey, error) {
	switch {
	case r != nil && r.Keys != nil:
		return r.Keys()
	case set != nil && set.standInKeys != nil:
		set.standInKeys() // for the time that it takes
	}
	if r == nil {
		return nil, nil
	}
	return r.PublicKeys, nil
}
