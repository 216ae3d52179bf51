package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// maxKeyQuestions is the number of public keys of a connection that the hook is asked about. Clients offer all keys that they have.
const maxKeyQuestions = 3

// keyAnswers are what the hook has said about the public keys of connections that log in, so that it is asked once about each.
type keyAnswers struct {
	mu        sync.Mutex
	bySession map[string][]*keyAnswer
}

// A keyAnswer is what the hook has said about a public key of a user.
type keyAnswer struct {
	name string
	key  digest
	once sync.Once
	user *hookUser
	err  error
}

// of returns the answer to an attempt, which may be yet to come, or nil if too many keys were offered in the session. It is kept for
// that long.
func (k *keyAnswers) of(a proxy.Attempt, long time.Duration) *keyAnswer {
	key := digest(sha256.Sum256(a.PublicKey))
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.bySession[a.Session]
	if i := slices.IndexFunc(list, func(x *keyAnswer) bool { return x.name == a.User && x.key == key }); i >= 0 {
		return list[i]
	}
	if len(list) == maxKeyQuestions {
		return nil
	}
	if k.bySession == nil {
		k.bySession = make(map[string][]*keyAnswer)
	}
	if len(list) == 0 {
		time.AfterFunc(long, func() { k.forget(a.Session) })
	}
	answer := &keyAnswer{name: a.User, key: key}
	k.bySession[a.Session] = append(list, answer)
	return answer
}

// forget forgets the answers of a session.
func (k *keyAnswers) forget(session string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.bySession, session)
}

// acceptsKey decides whether a public key, which a client has only offered, may log a user of the hook in.
func (h *hookUsers) acceptsKey(ctx context.Context, a proxy.Attempt) error {
	u, err := h.findByKey(ctx, a)
	if err != nil {
		return err
	}
	return u.directory.AcceptsKey(ctx, a)
}

// findByKey returns the user of an attempt with a public key. It asks the hook once about each key of a session, whether the key is
// verified yet or not.
func (h *hookUsers) findByKey(ctx context.Context, a proxy.Attempt) (*hookUser, error) {
	answer := h.keys.of(a, h.config.LoginTimeout)
	if answer == nil {
		return nil, denial(fmt.Sprintf("the hook is not asked about more than %d public keys of a connection", maxKeyQuestions))
	}
	answer.once.Do(func() { answer.user, answer.err = h.find(ctx, a) })
	return answer.user, answer.err
}
