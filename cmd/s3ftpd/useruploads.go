package main

import (
	"container/list"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy/grant"
)

// maxUserUploads limits the users and places in uploadsOfUsers: a hook may know any number of names.
const maxUserUploads = 10_000

// uploadsOfUsers are the uploads that each user has begun in each place, while the process runs. Those that no session has asked for
// the longest are dropped, so that a user may not resume such an upload without the permission to overwrite.
type uploadsOfUsers struct {
	mu     sync.Mutex
	known  map[[2]string]*list.Element // by user and place; their values are of type usedUploads
	recent list.List                   // the last used first
}

type usedUploads struct {
	key     [2]string
	uploads *grant.Uploads
}

// of returns the uploads of a user in a place.
func (u *uploadsOfUsers) of(user, place string) *grant.Uploads {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := [2]string{user, place}
	if e := u.known[key]; e != nil {
		u.recent.MoveToFront(e)
		return e.Value.(usedUploads).uploads
	}
	if u.known == nil {
		u.known = make(map[[2]string]*list.Element)
	}
	if len(u.known) >= maxUserUploads {
		oldest := u.recent.Remove(u.recent.Back()).(usedUploads)
		delete(u.known, oldest.key)
	}
	made := usedUploads{key, new(grant.Uploads)}
	u.known[key] = u.recent.PushFront(made)
	return made.uploads
}
