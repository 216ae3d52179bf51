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
	rememberFor  = 5 * time.Minute
	rememberMost = 1000
)

// A digest stands for a name, a password and the secret it was checked against.
type digest [sha256.Size]byte

// recent remembers good logins for a while. Its zero value remembers none.
type recent struct {
	mu    sync.Mutex
	key   []byte               // random, so that a digest is of no use elsewhere
	until map[digest]time.Time // when each is forgotten
	order []digest             // the oldest first
}

// digest is what is remembered of a login. With another secret it is another digest.
func (r *recent) digest(user, password, secret string) (d digest) {
	r.mu.Lock()
	if r.key == nil {
		r.key = make([]byte, sha256.Size)
		rand.Read(r.key)
	}
	h := hmac.New(sha256.New, r.key)
	r.mu.Unlock()
	for _, text := range []string{user, password, secret} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write([]byte(text))
	}
	h.Sum(d[:0])
	return d
}

// holds tells whether a login was good not long ago.
func (r *recent) holds(d digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(rememberMost)
	_, held := r.until[d]
	return held
}

// add remembers a good login from now on.
func (r *recent) add(d digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, held := r.until[d]; held {
		return // two sessions logged in at the same time
	}
	r.forget(rememberMost - 1)
	if r.until == nil {
		r.until = map[digest]time.Time{}
	}
	r.until[d] = time.Now().Add(rememberFor)
	r.order = append(r.order, d)
}

// forget drops what is too old, and the oldest beyond so many.
func (r *recent) forget(most int) {
	now := time.Now()
	for len(r.order) > 0 && (len(r.order) > most || !now.Before(r.until[r.order[0]])) {
		delete(r.until, r.order[0])
		r.order = r.order[1:]
	}
}
