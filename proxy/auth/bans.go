package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

const (
	maxAddresses = 10_000  // in each table of Bans
	maxFailures  = 100_000 // of all addresses together
	maxNames     = 20      // with wrong passwords from an address where others log in
)

// Bans refuses clients after too many failed logins, for all sources of users. An address stands for its proxy.LimitPrefix.
//
// From an address with After failed logins within Time, no client can connect for Time. If another user has logged in from the
// address within Time, as behind NAT, only the user whose logins failed is banned there, unless logins have failed for 20 names.
//
// The tables are bounded, and need less than 10 MiB. What was changed longest ago leaves first. The fields must not change
// after first use.
type Bans struct {
	After    int            // failed logins; 0 = no bans
	Time     time.Duration  // how long a ban lasts, and how long a failed or successful login counts; 0 = 30 min
	Exempt   []netip.Prefix // never banned, in addition to loopback
	Observer proxy.Observer // hears of each ban; nil = none

	mu       sync.Mutex
	seed     maphash.Seed
	start    time.Time
	failures *recent[netip.Prefix, []failure]
	total    int // of failures
	logins   *recent[netip.Prefix, [2]success]
	bans     *recent[ban, time.Time] // until when
}

// A name is the hash of a user name. 0 is that of none.
type name uint64

// A failure is a failed login. A success is a successful one. Their times count from Bans.start.
type failure struct {
	at   time.Duration
	user name
}
type success failure

// A ban is who is banned: a user at an address, or with the user 0 the whole address.
type ban struct {
	address netip.Prefix
	user    name
}

// Refuse returns proxy.ErrBanned for a client that is banned whatever its user is, and otherwise nil.
func (b *Bans) Refuse(client netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isBanned(ban{address: proxy.LimitPrefix(client)}) {
		return proxy.ErrBanned
	}
	return nil
}

// Guard returns login with bans: it counts what login decides about passwords, and refuses banned clients and users with
// proxy.ErrBanned without asking login. Errors that are fs.ErrPermission are failed logins. Certificates and public keys are never
// refused or counted.
func (b *Bans) Guard(login func(context.Context, proxy.Attempt) (proxy.Account, error)) func(context.Context, proxy.Attempt) (proxy.Account, error) {
	return func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
		byPassword := a.Method != proxy.ByCertificate && a.Method != proxy.ByPublicKey
		if byPassword {
			if err := b.refuse(a); err != nil {
				return proxy.Account{}, err
			}
		}
		account, err := login(ctx, a)
		switch {
		case err == nil && !account.Anonymous:
			b.succeeded(a)
		case byPassword && errors.Is(err, fs.ErrPermission):
			if e := b.failed(a); e != nil && b.Observer != nil {
				b.Observer.Observe(ctx, *e)
			}
		}
		return account, err
	}
}

// refuse returns proxy.ErrBanned if the client or the user at the client's address is banned.
func (b *Bans) refuse(a proxy.Attempt) error {
	address := proxy.LimitPrefix(a.Peer.Addr())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	if b.isBanned(ban{address: address}) || b.isBanned(ban{address, b.nameOf(a.User)}) {
		return proxy.ErrBanned
	}
	return nil
}

func (b *Bans) isBanned(key ban) bool {
	if b.bans == nil {
		return false
	}
	until := b.bans.get(key)
	return until != nil && time.Now().Before(*until)
}

// succeeded notes a successful login. An address keeps the last two users.
func (b *Bans) succeeded(a proxy.Attempt) {
	if b.isExempt(a.Peer.Addr()) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	last := b.logins.change(proxy.LimitPrefix(a.Peer.Addr()))
	now := success{time.Since(b.start), b.nameOf(a.User)}
	if last[0].user != now.user {
		last[1] = last[0]
	}
	last[0] = now
}

// failed notes a failed login. It returns the event of the ban that follows from it, or nil.
func (b *Bans) failed(a proxy.Attempt) *event.Banned {
	if b.isExempt(a.Peer.Addr()) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	address, user := proxy.LimitPrefix(a.Peer.Addr()), b.nameOf(a.User)
	list := b.record(address, user)
	of := func(f failure) bool { return f.user == user }
	within := fmt.Sprintf("within %v", b.time())
	switch shared := b.isShared(address, list); {
	case !shared && len(list) >= b.After:
		b.ban(ban{address: address})
		b.forget(address, func(failure) bool { return true })
		return b.event(address, "", fmt.Sprintf("%d failed logins %s", len(list), within))
	case shared && names(list) >= maxNames:
		b.ban(ban{address: address})
		b.forget(address, func(failure) bool { return true })
		return b.event(address, "", fmt.Sprintf("failed logins of %d users %s, although others log in from the address", maxNames, within))
	case shared && count(list, of) >= b.After:
		b.ban(ban{address, user})
		b.forget(address, of)
		return b.event(address, a.User, fmt.Sprintf("%d failed logins %s; only this user, since others log in from the address, as behind NAT", b.After, within))
	}
	return nil
}

// record adds a failure, and returns those of the address that count.
func (b *Bans) record(address netip.Prefix, user name) []failure {
	now := time.Since(b.start)
	b.forget(address, func(f failure) bool { return now-f.at >= b.time() })
	for b.total >= maxFailures {
		b.forget(b.failures.ring.next.key, func(failure) bool { return true })
	}
	if oldest := b.failures.ring.next; len(b.failures.items) >= b.failures.max && b.failures.get(address) == nil {
		b.forget(oldest.key, func(failure) bool { return true })
	}
	list := b.failures.change(address)
	*list = append(*list, failure{now, user})
	b.total++
	return *list
}

// forget removes some of the failures of an address.
func (b *Bans) forget(address netip.Prefix, which func(failure) bool) {
	list := b.failures.get(address)
	if list == nil {
		return
	}
	before := len(*list)
	*list = slices.DeleteFunc(*list, which)
	b.total -= before - len(*list)
	if len(*list) == 0 {
		b.failures.remove(address)
	}
}

// isShared reports whether a user has logged in from an address within the time, while logins of another one failed.
func (b *Bans) isShared(address netip.Prefix, list []failure) bool {
	last := b.logins.get(address)
	if last == nil {
		return false
	}
	now := time.Since(b.start)
	for _, s := range last {
		if s.user != 0 && now-s.at < b.time() && count(list, func(f failure) bool { return f.user == s.user }) < len(list) {
			return true
		}
	}
	return false
}

func (b *Bans) ban(key ban) { *b.bans.change(key) = time.Now().Add(b.time()) }

func (b *Bans) event(address netip.Prefix, user, reason string) *event.Banned {
	return &event.Banned{Address: address, User: user, Duration: b.time(), Err: fmt.Errorf("%w: %s", proxy.ErrBanned, reason)}
}

// init makes the tables.
func (b *Bans) init() {
	if b.bans == nil {
		b.seed, b.start = maphash.MakeSeed(), time.Now()
		b.failures, b.logins, b.bans = newRecent[netip.Prefix, []failure](maxAddresses), newRecent[netip.Prefix, [2]success](maxAddresses),
			newRecent[ban, time.Time](maxAddresses)
	}
}

func (b *Bans) nameOf(user string) name { return name(maphash.String(b.seed, user) | 1) }

func (b *Bans) time() time.Duration { return cmp.Or(b.Time, 30*time.Minute) }

// isExempt reports whether a client is never banned.
func (b *Bans) isExempt(client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	return b.After <= 0 || !client.IsValid() || client.IsLoopback() ||
		slices.ContainsFunc(b.Exempt, func(p netip.Prefix) bool { return p.Contains(client) })
}

// names returns the number of users in a list.
func names(list []failure) int {
	distinct := map[name]bool{}
	for _, f := range list {
		distinct[f.user] = true
	}
	return len(distinct)
}

// count returns the number of failures of a kind.
func count(list []failure, is func(failure) bool) (n int) {
	for _, f := range list {
		if is(f) {
			n++
		}
	}
	return n
}
