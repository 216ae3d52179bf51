package auth

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A userSet is the users of a Directory at a time.
type userSet struct {
	byName map[string]*record
	key    []byte // of digests

	standInKeys func() ([]PublicKey, error) // the Keys of some user; nil = no user has any

	mu      sync.Mutex
	kinds   map[work]kind // of the known passwords
	standIn secret        // a password of the commonest work
}

// A kind counts the passwords of a work, and has one of them.
type kind struct {
	passwords int
	secret    secret
}

// A record is a user of a set.
type record struct {
	User
	secret secret // of Password, or what Secret has returned last; nil = none yet
	last   remembered
}

// hasPassword reports whether a password can log the user in, or help to.
func (r *record) hasPassword() bool {
	return r.may(Password) && (r.Anonymous || r.Password != "" || r.Secret != nil)
}

// password returns the user's password as text too.
func (r *record) password() (s secret, text string, err error) {
	if r.Secret == nil {
		return r.secret, r.Password, nil
	}
	if text, err = r.Secret(); err != nil {
		return nil, "", fmt.Errorf("reading the password of %q: %v", r.Name, err) // not wrapped: it may be fs.ErrPermission
	}
	if s, err = parse(text); err != nil {
		return nil, "", fmt.Errorf("the password of %q: %w", r.Name, err)
	}
	return s, text, nil
}

// newUserSet returns a set of users. From old it takes what is known of users that are the same in both.
func newUserSet(users []User, old *userSet) (*userSet, error) {
	set := &userSet{byName: make(map[string]*record, len(users)), key: make([]byte, sha256.Size), kinds: map[work]kind{}}
	if old != nil {
		set.key = old.key
	} else {
		rand.Read(set.key)
	}
	for _, u := range users {
		r := &record{User: u}
		if u.Name == "" || set.byName[u.Name] != nil {
			return nil, fmt.Errorf("the user name %q is empty or not unique", u.Name)
		}
		if u.Secret == nil && u.Password != "" {
			var err error
			if r.secret, err = parse(u.Password); err != nil {
				return nil, fmt.Errorf("the password of %q: %w", u.Name, err)
			}
		}
		set.byName[u.Name] = r
		if u.Keys != nil {
			set.standInKeys = u.Keys
		}
		if was := old.find(u.Name); was != nil && was.equal(u) {
			was.last.copyTo(&r.last)
			if u.Secret != nil {
				r.secret = old.known(was)
			}
		}
		if r.secret != nil {
			set.count(r.secret, 1)
		}
	}
	set.choose()
	return set, nil
}

// find returns a user, or nil.
func (set *userSet) find(name string) *record {
	if set == nil {
		return nil
	}
	return set.byName[name]
}

// allowed returns the user of an attempt. It returns nil, and the reason, if the user cannot log in whatever the proof is.
func (set *userSet) allowed(a proxy.Attempt) (r *record, reason string) {
	if r = set.find(a.User); r == nil {
		return nil, "unknown user"
	}
	if reason = r.refusal(a); reason != "" {
		return nil, reason
	}
	return r, ""
}

// known returns the password of a user as far as it is known.
func (set *userSet) known(r *record) secret {
	set.mu.Lock()
	defer set.mu.Unlock()
	return r.secret
}

// learn notes what the Secret of a user has returned.
func (set *userSet) learn(r *record, s secret) {
	set.mu.Lock()
	defer set.mu.Unlock()
	if was := r.secret; was != nil && was.work() == s.work() {
		return
	} else if was != nil {
		set.count(was, -1)
	}
	r.secret = s
	set.count(s, 1)
	set.choose()
}

func (set *userSet) count(s secret, by int) {
	k := set.kinds[s.work()]
	k.passwords += by
	k.secret = s
	if k.passwords == 0 {
		delete(set.kinds, s.work())
		return
	}
	set.kinds[s.work()] = k
}

// choose sets standIn. Of kinds that are equally common it takes the most expensive.
func (set *userSet) choose() {
	best := kind{secret: defaultHash()}
	for _, k := range set.kinds {
		if c := cmp.Or(cmp.Compare(k.passwords, best.passwords), k.secret.work().compare(best.secret.work())); c > 0 {
			best = k
		}
	}
	set.standIn = best.secret
}

// commonest returns a secret of the commonest work among the known passwords of the users.
func (set *userSet) commonest() secret {
	if set == nil {
		return defaultHash()
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	return set.standIn
}
