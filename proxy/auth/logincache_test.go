package auth

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// isHashed reports whether a login hashes the password: with a cancelled context that fails, and only a cached login succeeds.
func isHashed(t *testing.T, a *Authenticator, user, password string) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return a.Check(ctx, user, password) != nil
}

func TestSuccessfulLoginIsCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := bcryptHash(t, "wonderland", "2y")
		a := &Authenticator{User: "alice", Secret: func() (string, error) { return secret, nil }, Limiter: NewHashLimiter(1)}
		if !isHashed(t, a, "alice", "wonderland") {
			t.Fatal("the login is cached before it has succeeded")
		}
		if err := a.Check(t.Context(), "alice", "wonderland"); err != nil {
			t.Fatal(err)
		}
		if isHashed(t, a, "alice", "wonderland") {
			t.Error("the login is not cached")
		}
		for _, other := range [][2]string{{"alice", "wonderlan"}, {"alicew", "onderland"}, {"bob", "wonderland"}} {
			if !isHashed(t, a, other[0], other[1]) {
				t.Errorf("the cache accepts user %q with password %q", other[0], other[1])
			}
		}
		<-time.After(cacheTime - time.Second)
		if isHashed(t, a, "alice", "wonderland") {
			t.Errorf("the login expired before %v", cacheTime)
		}
		<-time.After(time.Second)
		if !isHashed(t, a, "alice", "wonderland") {
			t.Errorf("the login is still cached after %v", cacheTime)
		}
		if err := a.Check(t.Context(), "alice", "wonderland"); err != nil {
			t.Fatal(err)
		}
		secret = bcryptHash(t, "wonderland", "2y") // the same password with another salt
		if !isHashed(t, a, "alice", "wonderland") {
			t.Error("the login is still cached after the secret has changed")
		}
	})
}

func TestLoginCacheIsBounded(t *testing.T) {
	var c loginCache
	login := func(i int) digest { return c.digest(fmt.Sprint(i), "", "") }
	for i := range 3 * cacheSize {
		c.add(login(i))
		c.add(login(i))
	}
	if len(c.expires) != cacheSize || len(c.order) != cacheSize {
		t.Errorf("%d logins in the map and %d in the queue, want %d", len(c.expires), len(c.order), cacheSize)
	}
	if c.has(login(0)) || !c.has(login(3*cacheSize-1)) {
		t.Error("the oldest login is cached, or the newest is not")
	}
}
