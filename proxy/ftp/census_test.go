package ftp

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
)

func TestCensus(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	var c census
	arrive := func(ip netip.Addr, want bool) {
		t.Helper()
		if got := c.arrive(ip, 3, 2) == ""; got != want {
			t.Errorf("%v may come in: %v, want %v", ip, got, want)
		}
	}
	arrive(a, true)
	arrive(a, true)
	arrive(a, false) // two from an address are the most
	arrive(b, true)
	arrive(b, false) // three are the most
	c.leave(a)
	arrive(b, true)
	for _, ip := range []netip.Addr{a, b, b} {
		c.leave(ip)
	}
	for range 2 {
		if !c.enter("x", 2) || !c.enter("y", 2) {
			t.Error("a user is kept out")
		}
	}
	if c.enter("x", 2) {
		t.Error("a third session of one user")
	}
	c.exit("x")
	if !c.enter("x", 2) {
		t.Error("a place that was given back is not free")
	}
	for _, user := range []string{"x", "x", "y", "y"} {
		c.exit(user)
	}
	if c.total != 0 || len(c.byIP) != 0 || len(c.users) != 0 {
		t.Errorf("%d, %v, %v are left", c.total, c.byIP, c.users)
	}
}

// A /64 is one client: its owner has an address of it for every session.
func TestCensusCountsIPv6Networks(t *testing.T) {
	var c census
	in := 0
	for i := range 1024 {
		if c.arrive(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)), 1024, 50) == "" {
			in++
		}
	}
	if in != 50 {
		t.Errorf("%d sessions from one /64; want 50", in)
	}
	if refusal := c.arrive(netip.MustParseAddr("2001:db8:0:1::1"), 1024, 50); refusal != "" {
		t.Errorf("another /64 gets %q", refusal)
	}
	c.leave(netip.MustParseAddr("2001:db8::1:2:3")) // whichever of them leaves
	if refusal := c.arrive(netip.MustParseAddr("2001:db8::4"), 1024, 50); refusal != "" {
		t.Errorf("a place that was given back: %q", refusal)
	}
}

func TestCensusAtOnce(t *testing.T) {
	var c census
	var in sync.Map
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if c.arrive(clientAddr, 10, 10) == "" && c.enter("x", 10) {
				in.Store(i, true)
			}
		})
	}
	wg.Wait()
	n := 0
	in.Range(func(any, any) bool { n++; return true })
	if n != 10 {
		t.Errorf("%d came in, want 10", n)
	}
}
