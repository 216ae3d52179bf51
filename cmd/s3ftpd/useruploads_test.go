package main

import (
	"strconv"
	"testing"
)

// The uploads of a user in a place stay the same while they are used, however many other names log in. The oldest ones are dropped.
func TestUploadsOfUsersAreBounded(t *testing.T) {
	var u uploadsOfUsers
	alice, bob := u.of("alice", "a"), u.of("bob", "a")
	if alice == bob || alice == u.of("alice", "b") {
		t.Error("two users or places share their uploads")
	}
	for i := range 3 * maxUserUploads {
		u.of(strconv.Itoa(i), "a")
		if u.of("alice", "a") != alice {
			t.Fatalf("after %d other names, the uploads of a user are lost", i)
		}
	}
	if len(u.known) != maxUserUploads || u.recent.Len() != maxUserUploads {
		t.Errorf("%d uploads are kept, %d in order", len(u.known), u.recent.Len())
	}
	if u.of("bob", "a") == bob {
		t.Error("uploads that were not used are kept")
	}
}
