package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

const (
	cacheTime = 5 * time.Minute
	cacheSize = 1000 // logins
)

// A digest identifies a name, a password and the secret that the password was checked against.
type digest [sha256.Size]byte

// A loginCache contains the successful logins of the last 5 minutes. The zero value is empty.
type loginCache struct {
	mu      sync.Mutex
	key     []byte               // random, so that a digest is useless outside this cache
	expires map[digest]time.Time // by login
	order   []digest             // the oldest first
}

// digest returns the digest of a login. It changes with the secret.
func (c *loginCache) digest(user, password, secret string) (d digest) {
	c.mu.Lock()
	if c.key == nil {
		c.key = make([]byte, sha256.Size)
		rand.Read(c.key)
	}
	h := hmac.New(sha256.New, c.key)
	c.mu.Unlock()
	for _, text := range []string{user, password, secret} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write([]byte(text))
	}
	h.Sum(d[:0])
	return d
}

// has reports whether a login is in the cache.
func (c *loginCache) has(d digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evict(cacheSize)
	_, ok := c.expires[d]
	return ok
}

// add adds a successful login.
func (c *loginCache) add(d digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.expires[d]; ok {
		return // two sessions logged in at the same time
	}
	c.evict(cacheSize - 1)
	if c.expires == nil {
		c.expires = map[digest]time.Time{}
	}
	c.expires[d] = time.Now().Add(cacheTime)
	c.order = append(c.order, d)
}

// evict removes expired logins, and the oldest ones if more than limit are left.
func (c *loginCache) evict(limit int) {
	now := time.Now()
	for len(c.order) > 0 && (len(c.order) > limit || !now.Before(c.expires[c.order[0]])) {
		delete(c.expires, c.order[0])
		c.order = c.order[1:]
	}
}
