package passive

import (
	"net/netip"
	"testing"
	"testing/synctest"
)

func TestLimitPrefix(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		one  bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:0:0:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fd00::1", "fd00::2", true},
		{"fe80::1%eth0", "fe80::1%eth0", true},
		{"fe80::1%eth0", "fe80::2%eth0", false},
	} {
		a, b := LimitPrefix(netip.MustParseAddr(tt.a)), LimitPrefix(netip.MustParseAddr(tt.b))
		if (a == b) != tt.one {
			t.Errorf("%s counts by %v and %s by %v; one client: want %v", tt.a, a, tt.b, b, tt.one)
		}
	}
	if p := LimitPrefix(netip.Addr{}); p != (netip.Prefix{}) {
		t.Errorf("no address counts by %v", p)
	}
}

// Two sessions of one IPv6 network fill half of the places for connections in examination, and not all.
func TestOneNetworkLeavesPlacesToExamine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		at := netip.AddrPortFrom(netip.MustParseAddr("2001:db8:1::1"), only.Port())
		near, twin := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		for _, peer := range []netip.Addr{near, twin} {
			c := shows(peer, peer.String())
			c.Local = at.Addr()
			claim(t, p, c)
		}
		for range mostFromOne {
			m.dial(t, near, at)
			m.dial(t, twin, at)
		}
		synctest.Wait()
		if n := p.Strangers(); n != mostFromOne {
			t.Errorf("%d of %d connections from one /64 were dropped; want %d", n, 2*mostFromOne, mostFromOne)
		}
	})
}
