package netns

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestActiveThroughFirewall: the clients' firewalls accept connections only from one port: 20, as in RFC 959, or 989 for implicit
// TLS.
func TestActiveThroughFirewall(t *testing.T) {
	s := newStorage(t)
	client, secure, server := newHost(t, "client"), newHost(t, "secure"), newHost(t, "server")
	link(client, "10.1.0.2/24 fd00:1::2/64", server, "10.1.0.1/24 fd00:1::1/64")
	link(secure, "10.2.0.2/24", server, "10.2.0.1/24")
	for h, port := range map[*host]string{client: "20", secure: "989"} {
		h.nft(`chain firewall {
			type filter hook input priority filter; policy drop;
			ct state established accept
			meta l4proto ipv6-icmp accept
			iifname "server" tcp sport ` + port + ` ct state new accept
		}`)
	}
	t.Run("port 20", func(t *testing.T) {
		client, server := client.in(t), server.in(t)
		s.bridge(server)
		for range 3 {
			s.curl(client, "10.1.0.1", "--ftp-port", "-")
			s.curl(client, "10.1.0.1", "--ftp-port", "-", "--disable-eprt")
			s.curl(client, "[fd00:1::1]", "--ftp-port", "-")
		}
		s.lftp(client, "10.1.0.1", "ftp:passive-mode no")
	})
	t.Run("port 989", func(t *testing.T) {
		s.bridge(server.in(t), "--tls-self-signed", "--data-timeout", "1s")
		s.lftp(secure.in(t), "ftps://10.2.0.1", "ftp:passive-mode no", "ssl:verify-certificate no")
		g := secure.in(t).loginTLS("10.2.0.1:21", tls.VersionTLS13) // its data connections come from port 20
		g.Cmd(200, "PORT 10,2,0,2,195,80")
		g.Cmd(150, "STOR new")
		g.Expect(425)
	})
	t.Run("any port", func(t *testing.T) {
		client, server := client.in(t), server.in(t)
		s.bridge(server, "--active-port", "0", "--data-timeout", "1s")
		g := client.login("10.1.0.1:21")
		client.listen("10.1.0.2:50000", func(conn *net.TCPConn) {
			t.Errorf("%v gets through the firewall", conn.RemoteAddr())
		})
		g.Cmd(200, "PORT 10,1,0,2,195,80")
		g.Cmd(150, "STOR new")
		g.Expect(425)
		s.holds(t, "new", "absent")
		s.curl(client, "10.1.0.1", "--epsv")
	})
}

// TestPassiveThroughFirewall: the server's firewall accepts connections only to port 21 and one other.
func TestPassiveThroughFirewall(t *testing.T) {
	s := newStorage(t)
	one, two, server := newHost(t, "one"), newHost(t, "two"), newHost(t, "server")
	link(one, "10.1.0.2/24", server, "10.1.0.1/24")
	link(two, "10.2.0.2/24", server, "10.2.0.1/24")
	two.ip("route add 10.1.0.0/24 via 10.2.0.1")
	server.nft(`chain firewall {
		type filter hook input priority filter; policy accept;
		ct state established accept
		iifname "lo" accept
		tcp dport != { 21, 60000 } reject with tcp reset
	}`)
	t.Run("one port", func(t *testing.T) {
		s.bridge(server.in(t), "--passive-ports", "60000")
		for _, h := range []*host{one.in(t), two.in(t)} {
			s.curl(h, "10.1.0.1", "--epsv")
			s.curl(h, "10.1.0.1", "--disable-epsv")
			s.lftp(h, "10.1.0.1")
		}
		// Once a session has its connection, the next one can use the port, from the same address too.
		var guests []*bareClient
		var data []*net.TCPConn
		for range 5 {
			g := one.in(t).login("10.1.0.1:21")
			guests, data = append(guests, g), append(data, g.connect(g.passive("EPSV")))
		}
		for i, g := range guests {
			name := "file " + string(rune('a'+i))
			s.holds(t, name, g.store(data[i], name))
		}
	})
	t.Run("other ports", func(t *testing.T) {
		s.bridge(server.in(t), "--passive-ports", "60001-60009")
		g := one.in(t).login("10.1.0.1:21")
		if _, err := g.from.dial(g.passive("EPSV")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the firewall lets a data connection in: %v", err)
		}
	})
}
