package proxy

import (
	"net/netip"
	"testing"
)

func TestLimitPrefix(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
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
		if (a == b) != tt.same {
			t.Errorf("prefixes %v of %s and %v of %s: same client %v, want %v", a, tt.a, b, tt.b, a == b, tt.same)
		}
	}
	if p := LimitPrefix(netip.Addr{}); p != (netip.Prefix{}) {
		t.Errorf("prefix of the zero address: %v", p)
	}
}
