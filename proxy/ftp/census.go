package ftp

import (
	"net/netip"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A census counts who is there. Its zero value is an empty one.
type census struct {
	mu    sync.Mutex
	total int
	moves int                  // transfers
	byIP  map[netip.Prefix]int // see proxy.LimitPrefix
	users map[string]int
}

// arrive counts a session from ip, unless there are too many, in all or from ip's network; then it says so.
func (c *census) arrive(ip netip.Addr, most, mostPerIP int) (refusal string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.total >= most:
		return "Too many sessions, try again later."
	case c.byIP[proxy.LimitPrefix(ip)] >= mostPerIP:
		return "Too many sessions from your address, close one first."
	}
	c.total++
	count(&c.byIP, proxy.LimitPrefix(ip), 1)
	return ""
}

func (c *census) leave(ip netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	count(&c.byIP, proxy.LimitPrefix(ip), -1)
}

// transfers counts a transfer that begins (1) or ends (-1).
func (c *census) transfers(by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moves += by
}

// enter counts a login of user, unless there are too many.
func (c *census) enter(user string, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users[user] >= most {
		return false
	}
	count(&c.users, user, 1)
	return true
}

func (c *census) exit(user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count(&c.users, user, -1)
}

// count keeps no entry for those of whom none is left.
func count[K comparable](m *map[K]int, key K, by int) {
	if *m == nil {
		*m = make(map[K]int)
	}
	if (*m)[key] += by; (*m)[key] == 0 {
		delete(*m, key)
	}
}
