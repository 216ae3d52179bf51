package auth

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// isHashed reports whether a login that is right hashes the password.
func isHashed(t *testing.T, d *Directory, c *checked) bool {
	t.Helper()
	c.take()
	if err := login(t, d, "alice", "wonderland"); err != nil {
		t.Error(err)
	}
	return len(c.take()) > 0
}

func TestRightLoginIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := bcryptHash(t, "wonderland", "2y")
		d, c := directory(t, User{Name: "alice", Secret: func() (string, error) { return secret, nil }}, User{Name: "bob", Password: secret})
		if !isHashed(t, d, c) || isHashed(t, d, c) {
			t.Error("not hashed the first time, or again the second time")
		}
		for _, other := range [][2]string{{"alice", "wonderlan"}, {"alicew", "onderland"}, {"bob", "wonderlan"}} {
			for range 2 {
				if err := login(t, d, other[0], other[1]); err == nil || len(c.take()) != 1 {
					t.Errorf("%q: %v, or not hashed", other, err)
				}
			}
		}
		if isHashed(t, d, c) {
			t.Error("a wrong password makes it forget the right one")
		}
		<-time.After(rememberUnused - time.Second)
		if isHashed(t, d, c) {
			t.Errorf("forgotten before %v", rememberUnused)
		}
		<-time.After(rememberUnused - time.Second) // since its last use
		if isHashed(t, d, c) {
			t.Errorf("forgotten before %v after its last use", rememberUnused)
		}
		<-time.After(rememberUnused)
		if !isHashed(t, d, c) {
			t.Errorf("remembered for more than %v", rememberUnused)
		}
		secret = bcryptHash(t, "wonderland", "2y") // the same password with another salt
		if !isHashed(t, d, c) {
			t.Error("remembered although the secret has changed")
		}
	})
}

// However often it is used, a login is hashed once a day.
func TestRightLoginIsForgottenAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, c := directory(t, alice(bcryptHash(t, "wonderland", "2y")))
		begin := time.Now()
		var hashed []time.Duration
		for time.Since(begin) < 49*time.Hour {
			if isHashed(t, d, c) {
				hashed = append(hashed, time.Since(begin).Round(time.Minute))
			}
			<-time.After(time.Minute)
		}
		if fmt.Sprint(hashed) != "[0s 24h0m0s 48h0m0s]" {
			t.Errorf("hashed at %v", hashed)
		}
	})
}

// Replacing the users forgets the login of a user that has changed, and of no other.
func TestChangedUserIsForgotten(t *testing.T) {
	bob := User{Name: "bob", Password: "builder"}
	hash := bcryptHash(t, "wonderland", "2y")
	for name, change := range map[string]func(*User){
		"nothing":    func(*User) {},
		"other hash": func(u *User) { u.Password = bcryptHash(t, "wonderland", "2y") },
		"a file":     func(u *User) { u.Password, u.Secret = "", Fixed(hash) },
		"networks":   func(u *User) { u.AllowFrom = networks("192.0.2.0/24") },
		"protocols":  func(u *User) { u.Protocols = []string{"ftp"} },
		"expiry":     func(u *User) { u.Expires = time.Now().Add(time.Hour) },
	} {
		d, c := directory(t, alice(hash), bob)
		isHashed(t, d, c)
		u := alice(hash)
		change(&u)
		if err := d.Replace([]User{u}); err != nil {
			t.Fatal(err)
		}
		if got := isHashed(t, d, c); got != (name != "nothing") {
			t.Errorf("%s changes: hashed: %v", name, got)
		}
	}
	d, c := directory(t, alice(hash))
	isHashed(t, d, c)
	for _, users := range [][]User{{bob}, {alice(hash)}} {
		if err := d.Replace(users); err != nil {
			t.Fatal(err)
		}
	}
	if !isHashed(t, d, c) {
		t.Error("the login of a user who was removed meanwhile is remembered")
	}
}

// 1,000 devices that log in once a minute cost no hashing but at the first time.
func TestManyDevices(t *testing.T) {
	const devices = 1000
	hash := bcryptHash(t, "wonderland", "2y") // one hash for all, to save time
	users := make([]User, devices)
	for i := range users {
		users[i] = User{Name: fmt.Sprint("device", i), Password: hash}
	}
	synctest.Test(t, func(t *testing.T) {
		d, c := directory(t, users...)
		for minute := range 30 {
			for _, u := range users {
				if err := login(t, d, u.Name, "wonderland"); err != nil {
					t.Fatal(err)
				}
			}
			want := 0
			if minute == 0 {
				want = devices
			}
			if works := c.take(); works[bcryptWork] != want || len(works) > 1 {
				t.Fatalf("minute %d: %v, want %d hashes", minute, works, want)
			}
			<-time.After(time.Minute)
		}
	})
}

// Sessions of one user that log in at the same time need one hash.
func TestSimultaneousLoginsAreHashedOnce(t *testing.T) {
	d, c := directory(t, alice(bcryptHash(t, "wonderland", "2y")))
	var all sync.WaitGroup
	for range maxQueued / 2 {
		all.Go(func() {
			if err := login(t, d, "alice", "wonderland"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if works := c.take(); !maps.Equal(works, map[work]int{bcryptWork: 1}) {
		t.Errorf("got %v", works)
	}
}
