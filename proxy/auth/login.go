// Package auth checks user names and passwords.
//
// An [Authenticator] has one user. Its secret is a password in plain text or a hash: argon2id in the PHC format, which [Hash]
// makes, or bcrypt. A client certificate can replace the password. All refusals have the same error and cost the same work, so a
// client cannot tell whether the name, the password or both were wrong.
//
// Hashing is expensive by design. A [HashLimiter] limits how many passwords are hashed at the same time, so that a flood of
// logins cannot use all cores and memory. A successful login is cached for five minutes, for devices that log in for each
// file. The cache contains keyed digests, not passwords.
//
// The package neither delays nor counts failed logins; the caller must do that.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrDenied is the error for a wrong name, a wrong password, and both.
var ErrDenied = errors.New("wrong name or password")

// An Authenticator checks the logins of one user. Its fields must not change after the first Check. It may be used by many
// goroutines at once, and must not be copied.
type Authenticator struct {
	User string // "" = no login succeeds

	// Secret returns the password or its hash. Each Check calls it, so it should be fast. Nil = no password is right.
	Secret func() (string, error)

	// Limiter limits the hashing. It may be nil only if the secret is never a hash.
	Limiter *HashLimiter

	// Subject is a name in the subject of the client certificate that replaces the password; "" = none does.
	Subject string

	cache loginCache
}

// Check returns nil if the name and the password are right, and ErrDenied if they are not. Any other error means that the
// password could not be checked: the secret cannot be read or is invalid, or ctx ended before the password was hashed.
func (a *Authenticator) Check(ctx context.Context, user, password string) error {
	if a.Secret == nil {
		return ErrDenied
	}
	text, err := a.Secret()
	if err != nil {
		return fmt.Errorf("reading the password of %q: %w", a.User, err)
	}
	s, err := parse(text)
	if err != nil {
		return fmt.Errorf("the password of %q: %w", a.User, err)
	}
	login := a.cache.digest(user, password, text)
	if a.cache.has(login) {
		return nil
	}
	right, err := s.matches(ctx, a.Limiter, password) // also for a wrong name, so that it takes as long
	switch {
	case err != nil:
		return err
	case !same(user, a.User) || !right || a.User == "" || hasControl(user) || hasControl(password):
		return ErrDenied
	}
	a.cache.add(login)
	return nil
}

// AcceptsCertificate reports whether a client certificate with one of these names in its subject replaces the user's
// password. The caller must have verified the certificate.
func (a *Authenticator) AcceptsCertificate(user string, subjects ...string) bool {
	return a.User != "" && user == a.User && a.Subject != "" && slices.Contains(subjects, a.Subject)
}

// Validate returns an error if no login can succeed with a secret: it is empty, or looks like a hash but is invalid.
func Validate(secret string) error {
	_, err := parse(secret)
	return err
}

// same compares two texts in constant time.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// hasControl reports whether a text has an ASCII control character.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
