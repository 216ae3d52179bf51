package auth

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// hashes tells whether a password would have to be hashed, which no password is when its context is over.
func hashes(t *testing.T, g *Gate, user, password string) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return g.Check(ctx, user, password) != nil
}

func TestGoodLoginIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := bcryptHash(t, "wonderland", "2y")
		g := &Gate{User: "alice", Secret: func() (string, error) { return secret, nil }, Turns: NewTurns(1)}
		if !hashes(t, g, "alice", "wonderland") {
			t.Fatal("known before it was ever right")
		}
		if err := g.Check(t.Context(), "alice", "wonderland"); err != nil {
			t.Fatal(err)
		}
		if hashes(t, g, "alice", "wonderland") {
			t.Error("a good login is hashed again")
		}
		for _, other := range [][2]string{{"alice", "wonderlan"}, {"alicew", "onderland"}, {"bob", "wonderland"}} {
			if !hashes(t, g, other[0], other[1]) {
				t.Errorf("%v is let in", other)
			}
		}
		<-time.After(rememberFor - time.Second)
		if hashes(t, g, "alice", "wonderland") {
			t.Error("forgotten too early")
		}
		<-time.After(time.Second)
		if !hashes(t, g, "alice", "wonderland") {
			t.Error("remembered for ever")
		}
		if err := g.Check(t.Context(), "alice", "wonderland"); err != nil {
			t.Fatal(err)
		}
		secret = bcryptHash(t, "wonderland", "2y") // the same password, hashed anew
		if !hashes(t, g, "alice", "wonderland") {
			t.Error("a changed secret is not noticed")
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var r recent
	at := func(i int) digest { return r.digest(fmt.Sprint(i), "", "") }
	for i := range 3 * rememberMost {
		r.add(at(i))
		r.add(at(i))
	}
	if len(r.until) != rememberMost || len(r.order) != rememberMost {
		t.Errorf("%d and %d are remembered", len(r.until), len(r.order))
	}
	if r.holds(at(0)) || !r.holds(at(3*rememberMost-1)) {
		t.Error("not the oldest were forgotten")
	}
}
