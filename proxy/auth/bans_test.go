package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A guarded is a login behind bans. The password "right" is right, and "any" that of an anonymous user; with "broken" nothing is
// decided.
type guarded struct {
	*Bans
	login func(context.Context, proxy.Attempt) (proxy.Account, error)
	asked int // logins that the bans let through
	heard []event.Banned
}

func guard(b *Bans) *guarded {
	g := &guarded{Bans: b}
	b.Observer = g
	g.login = b.Guard(func(_ context.Context, a proxy.Attempt) (proxy.Account, error) {
		g.asked++
		switch {
		case a.Password == "broken":
			return proxy.Account{}, errors.New("the source of users does not answer")
		case a.Password != "right" && a.Password != "any":
			return proxy.Account{}, denial("wrong password")
		}
		return proxy.Account{User: a.User, Anonymous: a.Password == "any"}, nil
	})
	return g
}

// Observe implements proxy.Observer.
func (g *guarded) Observe(_ context.Context, e proxy.Event) {
	g.heard = append(g.heard, e.(event.Banned))
}

// try logs in, and returns "in", "wrong", "banned" or the other error.
func (g *guarded) try(t testing.TB, address, user, password string) string {
	t.Helper()
	a := attempt(user, password)
	a.Peer = netip.AddrPortFrom(netip.MustParseAddr(address), 1025)
	_, err := g.login(t.Context(), a)
	switch {
	case err == nil:
		return "in"
	case errors.Is(err, fs.ErrPermission):
		return "wrong"
	case errors.Is(err, proxy.ErrBanned):
		return "banned"
	}
	return err.Error()
}

// fails logs in n times with a wrong password.
func (g *guarded) fails(t testing.TB, n int, address, user string) {
	t.Helper()
	for i := range n {
		if got := g.try(t, address, user, "x"); got != "wrong" {
			t.Fatalf("wrong login %d of %d from %s: %s", i+1, n, address, got)
		}
	}
}

// refused returns which of the addresses cannot connect.
func (g *guarded) refused(addresses ...string) string {
	var list []string
	for _, a := range addresses {
		if g.Refuse(netip.MustParseAddr(a)) != nil {
			list = append(list, a)
		}
	}
	return strings.Join(list, " ")
}

const (
	attacker = "192.0.2.66"
	other    = "192.0.2.7"
)

func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(&Bans{After: 15})
		g.fails(t, 14, attacker, "alice")
		if got := g.refused(attacker); got != "" || g.try(t, attacker, "alice", "broken") == "banned" || g.refused(attacker) != "" {
			t.Errorf("banned after 14 failed logins, or by one that is not decided: %s", got)
		}
		g.fails(t, 1, attacker, "bob")
		if got := g.refused(attacker, other); got != attacker {
			t.Errorf("after 15 failed logins, refused are %q", got)
		}
		asked := g.asked
		if got := g.try(t, attacker, "alice", "right"); got != "banned" || g.asked != asked {
			t.Errorf("a session of a banned client logs in: %s", got)
		}
		if got := g.try(t, other, "alice", "right"); got != "in" {
			t.Errorf("from elsewhere: %s", got)
		}
		if len(g.heard) != 1 || g.heard[0].Address != netip.MustParsePrefix(attacker+"/32") || g.heard[0].User != "" || g.heard[0].Duration != 30*time.Minute {
			t.Errorf("reported: %+v", g.heard)
		}
		<-time.After(30*time.Minute - 1)
		if g.refused(attacker) == "" {
			t.Error("the ban ends early")
		}
		<-time.After(1)
		if got := g.try(t, attacker, "alice", "right"); got != "in" || g.refused(attacker) != "" {
			t.Errorf("the ban does not end: %s", got)
		}
		g.fails(t, 14, attacker, "carol") // counted anew
	})
}

// A failed login counts for Time, and no longer.
func TestFailedLoginsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(&Bans{After: 3, Time: time.Hour})
		for range 20 {
			g.fails(t, 1, attacker, "alice")
			<-time.After(30 * time.Minute)
		}
		g.fails(t, 2, attacker, "alice")
		if len(g.heard) != 1 || g.heard[0].Duration != time.Hour {
			t.Errorf("reported: %+v", g.heard)
		}
	})
}

// An IPv6 client is its /64. An IPv4 address counts alone, in both notations.
func TestBanOfNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(&Bans{After: 15})
		for i := range 15 {
			g.fails(t, 1, fmt.Sprintf("2001:db8:0:1::%x", i), "alice")
			g.fails(t, 1, fmt.Sprintf("2001:db8:0:%x::1", 16+i), "alice")
			g.fails(t, 1, fmt.Sprintf("192.0.2.%d", i), "alice")
			g.fails(t, 1, map[bool]string{false: "198.51.100.1", true: "::ffff:198.51.100.1"}[i%2 == 0], "alice")
		}
		const want = "2001:db8:0:1:ffff::1 198.51.100.1 ::ffff:198.51.100.1"
		if got := g.refused("2001:db8:0:1:ffff::1", "2001:db8:0:2::1", "2001:db8:0:10::1", "192.0.2.1", "198.51.100.1", "::ffff:198.51.100.1"); got != want {
			t.Errorf("refused are %q, want %q", got, want)
		}
	})
}

// Loopback and exempt networks, such as those of load balancers, are never banned. With After 0 nobody is.
func TestExemptFromBans(t *testing.T) {
	for _, c := range []struct {
		bans    *Bans
		address string
	}{
		{&Bans{After: 2}, "127.0.0.1"},
		{&Bans{After: 2}, "127.9.9.9"},
		{&Bans{After: 2}, "::1"},
		{&Bans{After: 2}, "::ffff:127.0.0.1"},
		{&Bans{After: 2, Exempt: networks("10.0.0.0/8", "192.0.2.0/24")}, attacker},
		{&Bans{After: 2, Exempt: networks("192.0.2.0/24")}, "::ffff:" + attacker},
		{&Bans{After: 2, Exempt: networks("fe80::/10")}, "fe80::1%eth0"},
		{&Bans{}, attacker},
	} {
		g := guard(c.bans)
		g.fails(t, 50, c.address, "alice")
		if got := g.refused(c.address); got != "" || len(g.heard) > 0 {
			t.Errorf("%s is banned", c.address)
		}
	}
	g := guard(&Bans{After: 2, Exempt: networks("10.0.0.0/8")})
	g.fails(t, 2, attacker, "alice")
	if g.refused(attacker) == "" {
		t.Error("an address outside of the exempt networks is not banned")
	}
}

// From an address where another user has logged in, only the user with the wrong password is banned, with one warning.
func TestBanBehindNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(&Bans{After: 15})
		if got := g.try(t, attacker, "bob", "right"); got != "in" {
			t.Fatal(got)
		}
		g.fails(t, 14, attacker, "alice")
		g.fails(t, 1, attacker, "bob") // a slip must not ban bob
		g.fails(t, 1, attacker, "alice")
		for _, c := range []struct{ address, user, password, want string }{
			{attacker, "alice", "x", "banned"}, {attacker, "alice", "right", "banned"}, {other, "alice", "right", "in"},
			{attacker, "bob", "right", "in"}, {attacker, "carol", "x", "wrong"}, {attacker, "carol", "right", "in"},
		} {
			if got := g.try(t, c.address, c.user, c.password); got != c.want {
				t.Errorf("%+v: %s", c, got)
			}
		}
		if g.refused(attacker) != "" {
			t.Error("the address is banned")
		}
		if len(g.heard) != 1 || g.heard[0].User != "alice" || !strings.Contains(g.heard[0].Err.Error(), "NAT") || !errors.Is(g.heard[0].Err, proxy.ErrBanned) {
			t.Errorf("reported: %+v", g.heard)
		}
		<-time.After(30 * time.Minute)
		if got := g.try(t, attacker, "alice", "right"); got != "in" {
			t.Errorf("the user's ban does not end: %s", got)
		}
	})
}

// Only a login of another user, within Time, shows that an address is shared. One of an anonymous user does not.
func TestWhatIsNoNAT(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *guarded){
		"nobody":              func(*testing.T, *guarded) {},
		"anonymous":           func(t *testing.T, g *guarded) { g.try(t, attacker, "anonymous", "any") },
		"the user itself":     func(t *testing.T, g *guarded) { g.try(t, attacker, "alice", "right") },
		"another, long ago":   func(t *testing.T, g *guarded) { g.try(t, attacker, "bob", "right"); <-time.After(30 * time.Minute) },
		"another, undecided":  func(t *testing.T, g *guarded) { g.try(t, attacker, "bob", "broken") },
		"from another client": func(t *testing.T, g *guarded) { g.try(t, other, "bob", "right") },
	} {
		synctest.Test(t, func(t *testing.T) {
			g := guard(&Bans{After: 15})
			before(t, g)
			g.fails(t, 15, attacker, "alice")
			if g.refused(attacker) == "" {
				t.Errorf("%s has logged in: the address is not banned", name)
			}
		})
	}
	// The two last users count: alice logs in again and again, and bob did once.
	synctest.Test(t, func(t *testing.T) {
		g := guard(&Bans{After: 15})
		for _, user := range []string{"alice", "bob", "alice", "alice"} {
			g.try(t, attacker, user, "right")
		}
		g.fails(t, 15, attacker, "alice")
		if g.refused(attacker) != "" || g.try(t, attacker, "alice", "right") != "banned" {
			t.Error("an address with two users is banned, or the user is not")
		}
	})
}

// Failed logins for 20 names ban an address although another user has logged in.
func TestBanForManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(&Bans{After: 15})
		g.try(t, attacker, "bob", "right")
		for i := range 19 {
			g.fails(t, 2, attacker, fmt.Sprint("user", i))
		}
		if g.refused(attacker) != "" {
			t.Error("19 names ban the address")
		}
		g.fails(t, 1, attacker, "user19")
		if g.refused(attacker) == "" || len(g.heard) != 1 || g.heard[0].User != "" {
			t.Errorf("20 names do not ban the address; reported: %+v", g.heard)
		}
	})
}

// A certificate logs in from a banned address that is still connected, and a refused one does not count.
func TestBansLeaveCertificatesAlone(t *testing.T) {
	g := guard(&Bans{After: 2})
	a := attempt("alice", "x")
	a.Method = proxy.ByCertificate
	for range 5 {
		g.login(t.Context(), a)
	}
	if got := g.refused(client.Addr().String()); got != "" {
		t.Errorf("certificates that do not suffice ban %s", got)
	}
	g.fails(t, 2, client.Addr().String(), "alice")
	a.Password = "right"
	if _, err := g.login(t.Context(), a); err != nil {
		t.Errorf("from a banned address: %v", err)
	}
}

// 1,000,000 addresses with failed logins, and half of them with others, need less than 8 MiB. The newest are those that count.
func TestBansAreBounded(t *testing.T) {
	g := guard(&Bans{After: 2})
	peer := func(i int) netip.AddrPort {
		var a [16]byte
		a[0] = 0x20
		binary.BigEndian.PutUint32(a[4:], uint32(i))
		return netip.AddrPortFrom(netip.AddrFrom16(a), 1025)
	}
	measure := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := measure()
	try := func(i int, user, password string) {
		a := attempt(user, password)
		a.Peer = peer(i)
		g.login(t.Context(), a)
	}
	const addresses = 1_000_000
	for i := range addresses {
		try(i, "alice", "x")
		if i > addresses/2 {
			try(i, "bob", "right")
		}
	}
	if used := measure() - before; used > 8<<20 {
		t.Errorf("%d bytes for %d addresses", used, addresses)
	}
	if n := len(g.failures.items); n != maxAddresses || g.total != n {
		t.Errorf("%d addresses have %d failures, want %d", n, g.total, maxAddresses)
	}
	try(addresses-1, "alice", "x") // an address where bob has logged in
	try(0, "alice", "x")
	if len(g.heard) != 1 || g.heard[0].Address != proxy.LimitPrefix(peer(addresses-1).Addr()) || g.heard[0].User != "alice" {
		t.Errorf("reported: %+v", g.heard)
	}
}

// The failures of all addresses together are bounded, too: many for each address, as where others log in.
func TestFailuresAreBounded(t *testing.T) {
	g := guard(&Bans{After: 1000})
	for i := range 500 {
		g.fails(t, 300, fmt.Sprintf("192.0.%d.%d", i/250, i%250), "alice")
	}
	if g.total > maxFailures || g.total < maxFailures-300 {
		t.Errorf("%d failures are kept", g.total)
	}
	total := 0
	for _, i := range g.failures.items {
		total += len(i.value)
	}
	if total != g.total {
		t.Errorf("%d failures are counted, and %d kept", g.total, total)
	}
}

// Many sessions log in at the same time.
func TestBansAtTheSameTime(t *testing.T) {
	b := &Bans{After: 15}
	login := b.Guard(func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{}, fs.ErrPermission })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 100 {
				a := attempt(fmt.Sprint(i), "x")
				if _, err := login(t.Context(), a); err == nil {
					t.Error("logged in")
				}
				b.Refuse(a.Peer.Addr())
			}
		})
	}
	all.Wait()
	if b.Refuse(client.Addr()) == nil {
		t.Error("not banned")
	}
}
