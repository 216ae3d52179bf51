package netns

import (
	"net/netip"
	"strings"
	"testing"
)

// TestClientBehindNAT: two clients are behind a router that translates both to its own address.
func TestClientBehindNAT(t *testing.T) {
	s := newStorage(t)
	one, two, router, server := newHost(t, "one"), newHost(t, "two"), newHost(t, "router"), newHost(t, "server")
	link(one, "192.168.1.2/24", router, "192.168.1.1/24")
	link(two, "192.168.2.2/24", router, "192.168.2.1/24")
	link(router, "198.51.100.1/24", server, "198.51.100.10/24")
	one.ip("route add default via 192.168.1.1")
	two.ip("route add default via 192.168.2.1")
	router.routes()
	router.nft(`chain nat {
		type nat hook postrouting priority srcnat
		oifname "server" masquerade
	}`)
	b := s.bridge(server)
	for _, h := range []*host{one, two} {
		for _, mode := range []string{"--epsv", "--disable-epsv"} {
			s.curl(h, "198.51.100.10", mode, "--no-ftp-skip-pasv-ip")
		}
		s.lftp(h, "198.51.100.10", "ftp:fix-pasv-address no")
	}
	for _, verb := range []string{"PASV", "EPSV"} {
		first, second := one.login("198.51.100.10:21"), two.login("198.51.100.10:21")
		at, beside := first.passive(verb), second.passive(verb)
		wants := []string{second.store(second.connect(beside), "second"+verb), first.store(first.connect(at), "first"+verb)}
		s.holds(t, "second"+verb, wants[0])
		s.holds(t, "first"+verb, wants[1])
	}
	peer, _ := b.Log.Await(t, "session begins")["peer"].(string)
	if from, err := netip.ParseAddrPort(peer); err != nil || from.Addr().String() != "198.51.100.1" {
		t.Errorf("the bridge sees %q, not the router", peer)
	}
	// The client's own address is another host's on the server's side.
	w := one.login("198.51.100.10:21")
	w.Cmd(500, "PORT 192,168,1,2,200,0")
	w.Cmd(500, "EPRT |1|192.168.1.2|51200|")
}

// TestServerBehindNAT: the server is behind a router that forwards port 21 and the passive ports.
func TestServerBehindNAT(t *testing.T) {
	s := newStorage(t)
	const warning = "the reply to PASV names an address that its client cannot reach"
	tests := []struct {
		name    string
		args    []string
		outside bool // clients that believe the reply to PASV
		inside  bool
	}{
		{"no passive address", nil, false, true},
		{"passive address", []string{"--passive-address", public}, true, false},
		{"passive address by network", []string{"--passive-address", "10.0.0.0/8=auto," + public}, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			outside, router, server, inside := newHost(t, "outside"), newHost(t, "router"), newHost(t, "server"), newHost(t, "inside")
			link(outside, "203.0.113.77/24", router, public+"/24")
			link(router, "10.0.0.1/24", server, "10.0.0.2/24")
			link(server, "10.0.1.2/24", inside, "10.0.1.3/24")
			server.ip("route add default via 10.0.0.1")
			router.routes()
			router.nft(`chain nat {
				type nat hook prerouting priority dstnat
				iifname "outside" tcp dport { 21, 60000-60009 } dnat ip to 10.0.0.2
			}`)
			b := s.bridge(server, append(test.args, "--passive-ports", "60000-60009")...)
			checkReach(t, s, outside, public, test.outside)
			checkReach(t, s, inside, "10.0.1.2", test.inside)
			if !test.outside {
				b.Log.Await(t, warning, "peer=203.0.113.77")
			} else if strings.Contains(b.Log.Tail(10000), warning) {
				t.Error("a warning of an address that clients reach")
			}
		})
	}
}

// checkReach checks that EPSV works for the clients of a host, and PASV as expected.
func checkReach(t *testing.T, s storage, h *host, addr string, pasv bool) {
	t.Helper()
	s.curl(h, addr, "--epsv")
	if pasv {
		s.curl(h, addr, "--disable-epsv", "--no-ftp-skip-pasv-ip")
		return
	}
	g := h.login(addr + ":21")
	to := g.passive("PASV")
	if conn, err := h.dial(to); err == nil {
		conn.Close()
		t.Errorf("%s gets to %s", h.label, to)
	}
}
