package netns

import (
	"net"
	"testing"
)

// TestIPv6Only: client and server have IPv6 addresses only.
func TestIPv6Only(t *testing.T) {
	s := newStorage(t)
	client, server := newHost(t, "client"), newHost(t, "server")
	link(client, "fd00:1::2/64", server, "fd00:1::1/64")
	s.bridge(server)
	s.curl(client, "[fd00:1::1]", "--epsv")
	s.curl(client, "[fd00:1::1]", "--ftp-port", "-") // by EPRT
	s.lftp(client, "[fd00:1::1]", "ftp:prefer-epsv yes")
	s.lftp(client, "[fd00:1::1]", "ftp:passive-mode no")

	g := client.login("[fd00:1::1]:21")
	g.Cmd(425, "PASV")
	g.Cmd(522, "EPSV 1")
	g.Cmd(229, "EPSV 2")
	g.Cmd(500, "PORT 10,0,0,1,200,0")
	g.Cmd(500, "EPRT |1|10.0.0.1|51200|")
	g.Cmd(500, "EPRT |2|fd00:1::1|51200|") // the server's own address
	s.holds(t, "epsv", g.store(g.connect(g.passive("EPSV")), "epsv"))
}

// TestDualStack: one server has clients of IPv4 and IPv6, and one that uses both.
func TestDualStack(t *testing.T) {
	s := newStorage(t)
	old, modern, both, server := newHost(t, "old"), newHost(t, "modern"), newHost(t, "both"), newHost(t, "server")
	link(old, "10.1.0.2/24", server, "10.1.0.1/24")
	link(modern, "fd00:1::2/64", server, "fd00:1::1/64")
	link(both, "10.2.0.2/24 fd00:2::2/64", server, "10.2.0.1/24 fd00:2::1/64")
	b := s.bridge(server)
	modes := [][]string{{"--epsv"}, {"--ftp-port", "-"}}
	for _, args := range append([][]string{{"--disable-epsv", "--no-ftp-skip-pasv-ip"}, {"--ftp-port", "-", "--disable-eprt"}}, modes...) {
		s.curl(old, "10.1.0.1", args...)
		s.curl(both, "10.2.0.1", args...)
	}
	for _, args := range modes {
		s.curl(modern, "[fd00:1::1]", args...)
		s.curl(both, "[fd00:2::1]", args...)
	}
	// An IPv4 client is treated as one, although the server's socket is IPv6.
	g := both.login("10.2.0.1:21")
	b.Log.Await(t, "session begins", "peer="+g.addr)
	g.Cmd(522, "EPSV 2")
	g.Cmd(500, "EPRT |2|fd00:2::2|51200|") // the same host, which the server cannot know
	at := g.passive("EPSV")
	_, port, _ := net.SplitHostPort(at)
	six := both.login("[fd00:2::1]:21")
	if conn, err := both.dial("[fd00:2::1]:" + port); err == nil {
		conn.Close()
		t.Error("the port of an IPv4 session can be reached by IPv6")
	}
	s.holds(t, "six", six.store(six.connect(six.passive("EPSV")), "six"))
	s.holds(t, "four", g.store(g.connect(at), "four"))
}

// TestLinkLocal: the client has only a link-local address, as devices in a plain network do.
func TestLinkLocal(t *testing.T) {
	s := newStorage(t)
	client, server := newHost(t, "client"), newHost(t, "server")
	link(client, "fe80::2:2/64", server, "fe80::2:1/64")
	s.bridge(server)
	g := client.login("[fe80::2:1%server]:21")
	s.holds(t, "passive", g.store(g.connect(g.passive("EPSV")), "passive"))
}
