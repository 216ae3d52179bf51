package auth

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A User is a user of a Directory: how a client proves to be this user, and from where and until when.
type User struct {
	Name string

	// Password is the password in plain text, or its hash. Secret replaces it: each login of the user calls it, so it should be
	// fast. Without both, no password is right.
	Password string
	Secret   func() (string, error)

	// Anonymous makes each password right, the empty one too.
	Anonymous bool

	// Certificate is the common name or the whole subject of the client certificate that replaces the password; "" = none does.
	Certificate string

	// PublicKeys log in with SFTP. Keys replaces them: it is called for each offered key, of other users too, so it must be fast.
	PublicKeys []PublicKey
	Keys       func() ([]PublicKey, error)

	// Factors are needed all, in one login; none = one of those that the user has.
	Factors []Factor

	AllowFrom []netip.Prefix // the client's networks; none = all
	Protocols []string       // "ftp" = FTP without TLS, "ftps" = FTP with TLS, "sftp"; none = all
	Expires   time.Time      // from then on the user cannot log in; zero = never
	Disabled  bool           // the user cannot log in
}

// A Factor is a kind of proof of User.Factors.
type Factor string

const (
	Password    Factor = "password"
	Certificate Factor = "certificate"
	Key         Factor = "public-key"
)

// refusal returns the reason why a user cannot log in whatever the proof is, or "".
func (u *User) refusal(a proxy.Attempt) string {
	client := a.Peer.Addr().Unmap().WithZone("")
	within := func(network netip.Prefix) bool { return network.Contains(client) }
	protocol := a.Service()
	switch {
	case u.Disabled:
		return "the user is disabled"
	case !u.Expires.IsZero() && !time.Now().Before(u.Expires):
		return fmt.Sprintf("the user expired at %s UTC, see expires", u.Expires.UTC().Format(time.DateTime))
	case len(u.AllowFrom) > 0 && !slices.ContainsFunc(u.AllowFrom, within):
		return fmt.Sprintf("the user may not log in from %s, which is not in allow-from", client)
	case len(u.Protocols) > 0 && !slices.Contains(u.Protocols, protocol):
		return "the user may not log in with " + protocol + ", which is not in protocols"
	}
	return ""
}

// needs reports whether a factor is needed, even if there is another.
func (u *User) needs(f Factor) bool { return slices.Contains(u.Factors, f) }

// may reports whether a factor is one of those that count.
func (u *User) may(f Factor) bool { return len(u.Factors) == 0 || u.needs(f) }

// hasCertificate reports whether a client certificate is the user's.
func (u *User) hasCertificate(c *x509.Certificate) bool {
	return c != nil && u.Certificate != "" && u.may(Certificate) && slices.Contains(subjects(c), u.Certificate)
}

// equal reports whether two users are the same, but for what their Secret and their Keys return.
func (u User) equal(other User) bool {
	sameSource := (u.Secret == nil) == (other.Secret == nil) && (u.Keys == nil) == (other.Keys == nil)
	u.Secret, other.Secret, u.Keys, other.Keys = nil, nil, nil, nil
	return sameSource && reflect.DeepEqual(u, other)
}
