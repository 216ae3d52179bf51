// Package auth decides who may log in.
//
// A [Directory] has the users. Their passwords are in plain text or hashes: argon2id in the PHC format, which [Hash] makes,
// bcrypt, or $5$ and $6$ of crypt. A client certificate or a public key can replace the password, or be needed beside it. All refusals
// have the same error and cost the same work, so a client cannot tell whether the name, the password or something else was wrong.
//
// Hashing is expensive by design. A [HashLimiter] limits how many passwords are hashed at the same time, so that a flood of
// logins cannot use all cores and memory. The last right login of each user is remembered for a while, for devices that log in
// for each file, as a keyed digest.
//
// The package does not delay refusals; the protocols must do that.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// ErrDenied is what the error of each refused login is. Its text has the reason, for the log only.
var ErrDenied = errors.New("login denied")

// A Directory has the users who may log in, and checks their logins. Without Replace it has none. It may be used by many
// goroutines at once, and must not be copied.
type Directory struct {
	// Limiter limits the hashing. It may be nil only if no password is a hash.
	Limiter *HashLimiter

	// CertificateSetting is the name of the setting that fills User.Certificate, for advice in the log.
	CertificateSetting string

	users   atomic.Pointer[userSet]
	replace sync.Mutex
	hashing func(work) // for tests: called before each check of a password
}

// Replace replaces all users at once, also while logins run. On error, for a name that is not unique or a password that is
// invalid, it keeps those that it has. Logins are remembered for users that stay the same.
func (d *Directory) Replace(users []User) error {
	d.replace.Lock()
	defer d.replace.Unlock()
	set, err := newUserSet(users, d.users.Load())
	if err != nil {
		return err
	}
	d.users.Store(set)
	return nil
}

// Login returns the user of an attempt if it proves enough. Otherwise the error is ErrDenied, and fs.ErrPermission, for errors.Is.
// It is proxy.ErrTooManyLogins if too many passwords wait to be hashed. Any other error means that the password could not be
// checked: Secret has failed or returned an invalid one, or ctx ended.
//
// It is proxy.ErrNeedsPassword or proxy.ErrNeedsPublicKey if the user needs that beside a right proof, and the attempt has none.
//
// An attempt with the method proxy.ByCertificate has no password, and costs no hash. One with the method proxy.ByPublicKey costs none
// either, unless it has the user's key, and a password is needed beside it. Attempt.PublicKey must be verified.
func (d *Directory) Login(ctx context.Context, a proxy.Attempt) (User, error) {
	if a.Method == proxy.ByPublicKey {
		return d.byPublicKey(ctx, a)
	}
	set := d.users.Load()
	r, reason := set.allowed(a)
	certified := r != nil && r.hasCertificate(a.Certificate)
	if certified && !r.needs(Password) {
		return r.User, nil
	}
	right := false
	if a.Method != proxy.ByCertificate {
		var err error
		if right, err = d.isRight(ctx, set, r, a); err != nil {
			return User{}, err
		}
	}
	switch {
	case r == nil:
		return User{}, denial(reason)
	case !right || r.needs(Certificate) && !certified:
		return User{}, d.denial(r, a, right, certified)
	case !r.needs(Key):
		return r.User, nil
	case a.PublicKey != nil:
		if err := set.keyError(r, "", a); err != nil {
			return User{}, err
		}
		return r.User, nil
	case a.Protocol == "sftp":
		return User{}, proxy.ErrNeedsPublicKey
	}
	return User{}, denial("the user needs a public key too, which only SFTP has")
}

// isRight reports whether the password of an attempt is right. Without a user r who may log in, it hashes it nevertheless, so that
// the refusal takes as long.
func (d *Directory) isRight(ctx context.Context, set *userSet, r *record, a proxy.Attempt) (right bool, err error) {
	switch {
	case r == nil || !r.hasPassword():
		s := set.commonest()
		_, err = d.run(ctx, s, func() bool { return d.matches(s, a.Password) })
		return false, err
	case r.Anonymous:
		return true, nil
	}
	s, text, err := r.password()
	if err != nil {
		return false, err
	}
	set.learn(r, s)
	login := digestOf(set.key, a.User, a.Password, text)
	if r.last.has(login) {
		return true, nil
	}
	return d.run(ctx, s, func() bool {
		if r.last.has(login) { // another session has logged in meanwhile
			return true
		}
		matches := d.matches(s, a.Password) && !hasControl(a.Password)
		if matches {
			r.last.set(login)
		}
		return matches
	})
}

// run calls check, which checks a password against s, within the limits of hashing.
func (d *Directory) run(ctx context.Context, s secret, check func() bool) (right bool, err error) {
	if s.work() == (work{}) {
		return check(), nil
	}
	return d.Limiter.run(ctx, s.work().memory, check)
}

func (d *Directory) matches(s secret, password string) bool {
	if d.hashing != nil {
		d.hashing(s.work())
	}
	return s.matches(password)
}

// denial returns the error for a user who may log in, with another password or certificate.
func (d *Directory) denial(r *record, a proxy.Attempt, right, certified bool) error {
	reason := "wrong password"
	switch {
	case right:
		reason = "the user needs a client certificate too"
	case certified && a.Method == proxy.ByCertificate:
		reason = "the user needs a password too"
	case a.Method == proxy.ByCertificate:
		reason = "not the user's certificate"
	}
	if r.Certificate != "" && a.Certificate != nil && !certified {
		reason += fmt.Sprintf("; for a login by certificate, %s must be %s", d.CertificateSetting, strings.Join(subjects(a.Certificate), " or "))
	}
	return denial(reason)
}

// A denial is the reason of a refused login.
type denial string

func (r denial) Error() string        { return string(r) }
func (r denial) Is(target error) bool { return target == ErrDenied || target == fs.ErrPermission }

// Validate returns an error if no login can succeed with a password or hash: it is empty, or looks like a hash but is invalid.
func Validate(password string) error {
	_, err := parse(password)
	return err
}

// LargestHash returns the memory that the most expensive hash of these users needs, in bytes. It does not call User.Secret, but
// counts it as a hash of Hash.
func LargestHash(users []User) (memory int64) {
	for _, u := range users {
		var s secret
		switch {
		case u.Secret != nil:
			s = defaultHash()
		case u.Password != "":
			s, _ = parse(u.Password)
		}
		if s != nil {
			memory = max(memory, s.work().memory)
		}
	}
	return memory
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
