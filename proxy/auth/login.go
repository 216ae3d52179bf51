// Package auth decides who may come in.
//
// A Gate checks a name and a password against the one that may log in, whose password is kept in plain text
// or as a hash: argon2id in the PHC notation, which Hash makes, or bcrypt. A certificate can stand for the password. All refusals are alike, in what is
// answered and in the work that is done for it: whether the name, the password or both were wrong cannot be
// told from outside.
//
// Hashing is expensive by design. No more passwords are hashed at a time than [Turns] allow, so that a
// flood of logins cannot take more than its share, and a good login is remembered for five minutes, so that
// a camera that logs in for every picture is cheap. What is remembered is a keyed digest, never a password.
//
// The package delays nothing and counts nothing: slowing down wrong logins is the caller's.
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

// ErrDenied is the one answer to a wrong name, a wrong password, and both.
var ErrDenied = errors.New("wrong name or password")

// A Gate lets in one user. Its fields must not change after the first Check.
// It may be used by many goroutines at once, and must not be copied.
type Gate struct {
	User string // empty lets nobody in

	// Secret returns the password or its hash. It is asked at every Check, and should be quick. Nil = no password is right.
	Secret func() (string, error)

	// Turns limit the hashing, together with that of other gates. Must be set unless no secret is a hash.
	Turns *Turns

	// Subject is that of the certificate which stands for the password; empty = none does.
	Subject string

	recent recent
}

// Check returns nil if the name and the password belong together, and ErrDenied if they do not.
// Any other error means that this cannot be told now: the secret cannot be read or is no valid hash, or ctx
// ended before it was this password's turn to be hashed.
func (g *Gate) Check(ctx context.Context, user, password string) error {
	if g.Secret == nil {
		return ErrDenied
	}
	text, err := g.Secret()
	if err != nil {
		return fmt.Errorf("reading the password of %q: %w", g.User, err)
	}
	s, err := parse(text)
	if err != nil {
		return fmt.Errorf("the password of %q: %w", g.User, err)
	}
	attempt := g.recent.digest(user, password, text)
	if g.recent.holds(attempt) {
		return nil
	}
	right, err := s.matches(ctx, g.Turns, password) // for a wrong name too: the work is always the same
	switch {
	case err != nil:
		return err
	case !same(user, g.User) || !right || g.User == "" || hasControl(user) || hasControl(password):
		return ErrDenied
	}
	g.recent.add(attempt)
	return nil
}

// Certified tells whether a certificate, by one of the names that its subject has, stands for the user's password.
// That the certificate is good, and the client's own, is for the caller to know.
func (g *Gate) Certified(user string, subjects ...string) bool {
	return g.User != "" && user == g.User && g.Subject != "" && slices.Contains(subjects, g.Subject)
}

// Usable returns an error if a secret can let nobody in: it is empty, or looks like a hash and is none.
func Usable(secret string) error {
	_, err := parse(secret)
	return err
}

// same compares in a time that tells nothing of where the texts differ.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// hasControl tells whether a text has a byte that no name and no password has.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
