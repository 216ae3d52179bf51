package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// How long the last right login of a user is remembered.
const (
	rememberUnused = 5 * time.Minute // since its last use
	rememberMost   = 24 * time.Hour  // since the password was hashed
)

// A digest identifies a name, a password and the secret that the password was checked against. It is keyed, so that it is useless
// outside the process.
type digest [sha256.Size]byte

// digestOf returns the digest of a login.
func digestOf(key []byte, user, password, secret string) (d digest) {
	h := hmac.New(sha256.New, key)
	for _, text := range []string{user, password, secret} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write([]byte(text))
	}
	h.Sum(d[:0])
	return d
}

// A remembered is the last right login of a user. The zero value is none. A user has one password, so that one is enough.
type remembered struct {
	mu            sync.Mutex
	login         digest
	hashed, until time.Time
}

// has reports whether a login is the remembered one, and then remembers it for longer.
func (r *remembered) has(login digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !now.Before(r.until) || !hmac.Equal(r.login[:], login[:]) {
		return false
	}
	r.extend(now)
	return true
}

// set remembers a login whose password was hashed.
func (r *remembered) set(login digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.login, r.hashed = login, now
	r.extend(now)
}

func (r *remembered) extend(now time.Time) {
	r.until = now.Add(rememberUnused)
	if most := r.hashed.Add(rememberMost); most.Before(r.until) {
		r.until = most
	}
}

// copyTo copies the login to the record of the same user in another set.
func (r *remembered) copyTo(other *remembered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	other.login, other.hashed, other.until = r.login, r.hashed, r.until
}
