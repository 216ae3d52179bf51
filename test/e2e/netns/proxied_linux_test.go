package netns

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A balancedTest has two clients that connect to a server through a load balancer, and one that connects directly.
type balancedTest struct {
	storage
	one, two, balancer, server, direct *host
	bridge                             *harness.Server
}

// The addresses of the server: through the balancer, and direct.
const (
	balanced  = "10.1.0.1"
	balanced6 = "fd00:1::1"
	own       = "10.9.0.2"
	beside    = "10.8.0.2"
)

func newBalancedTest(t *testing.T, says func(from, to netip.AddrPort) []byte, args ...string) balancedTest {
	b := balancedTest{storage: newStorage(t), one: newHost(t, "one"), two: newHost(t, "two"), balancer: newHost(t, "balancer"),
		server: newHost(t, "server"), direct: newHost(t, "direct")}
	link(b.one, "10.1.0.2/24 fd00:1::2/64", b.balancer, balanced+"/24 "+balanced6+"/64")
	link(b.two, "10.2.0.2/24", b.balancer, "10.2.0.1/24")
	link(b.balancer, "10.9.0.1/24", b.server, own+"/24")
	link(b.direct, "10.8.0.3/24", b.server, beside+"/24")
	b.two.ip("route add 10.1.0.0/24 via 10.2.0.1")
	b.direct.ip("route add 10.9.0.0/24 via " + beside)
	ports := []string{"21"}
	for port := 60000; port < 60010; port++ {
		ports = append(ports, fmt.Sprint(port))
	}
	for _, at := range []string{balanced, balanced6} {
		b.balancer.balance(at, ports, own, says)
	}
	b.bridge = b.storage.bridge(b.server, append(args, "--passive-ports", "60000-60009")...)
	return b
}

// TestBalancer: the server takes clients' addresses from the balancer's headers.
func TestBalancer(t *testing.T) {
	b := newBalancedTest(t, header, "--proxy-protocol-from", "10.9.0.1", "--tls-self-signed", "--tls", "optional", "--ftps", "")
	secure := []string{"--insecure", "--ssl-reqd"}
	for _, h := range []*host{b.one, b.two} {
		for _, mode := range [][]string{{"--epsv"}, {"--disable-epsv", "--no-ftp-skip-pasv-ip"}} {
			b.curl(h, balanced, mode...)
			b.curl(h, balanced, append(mode, secure...)...)
		}
		b.lftp(h, balanced, "ftp:fix-pasv-address no", "ftp:ssl-allow no")
	}
	b.curl(b.one, "["+balanced6+"]", "--epsv")
	b.curl(b.direct, beside, "--epsv") // its address is not in --proxy-protocol-from
	b.curl(b.direct, beside, "--disable-epsv", "--no-ftp-skip-pasv-ip")

	one, two := b.one.login(balanced+":21"), b.two.login(balanced+":21")
	b.bridge.Log.Await(t, "session begins", "peer="+one.addr)
	b.bridge.Log.Await(t, "session begins", "peer="+two.addr)
	at := one.passive("PASV")
	b.two.probePorts(at, 20, "") // strangers come through the balancer too
	b.holds(t, "one", one.store(one.connect(at), "one"))
	six := b.one.login("[" + balanced6 + "]:21")
	six.Cmd(425, "PASV")
	b.holds(t, "six", six.store(six.connect(six.passive("EPSV")), "six"))
}

// TestForgedHeader: a host that connects directly sends a header of the balancer's kind.
func TestForgedHeader(t *testing.T) {
	b := newBalancedTest(t, header, "--proxy-protocol-from", "10.9.0.1")
	client, bridge := netip.MustParseAddrPort("10.1.0.2:5000"), netip.MustParseAddrPort(balanced+":21")
	forged := map[string][]byte{
		"version 1": fmt.Appendf(nil, "PROXY TCP4 %v %v %d %d\r\n", client.Addr(), bridge.Addr(), client.Port(), bridge.Port()),
		"version 2": header(client, bridge),
	}
	for name, says := range forged {
		for _, addr := range []string{beside, own} {
			conn, err := b.direct.dial(addr + ":21")
			if err != nil {
				t.Fatal(err)
			}
			conn.Write(append(says, "USER "+harness.User+"\r\nPASS "+harness.Password+"\r\nQUIT\r\n"...))
			got, _ := io.ReadAll(conn)
			if !bytes.HasPrefix(got, []byte("220")) || bytes.Contains(got, []byte("\n331")) || bytes.Contains(got, []byte("\n230")) {
				t.Errorf("%s: the answer is %q", name, got)
			}
			b.bridge.Log.Await(t, "session begins", "peer="+conn.LocalAddr().String())
		}
		g := b.one.login(balanced + ":21")
		_, port, _ := strings.Cut(g.passive("PASV"), ":")
		b.refuses(t, b.direct, port, string(says)+"forged")
		b.holds(t, name, g.store(g.connect(balanced+":"+port), name))
	}
	if log := b.bridge.Log.Tail(10000); strings.Contains(log, `"peer":"`+client.String()) {
		t.Errorf("there is a session of %v", client)
	}
}

// refuses checks that a connection from a host directly to the server is reset.
func (b balancedTest) refuses(t *testing.T, h *host, port, says string) {
	t.Helper()
	if !h.probePort(own+":"+port, says) {
		t.Errorf("%s finds port %s closed", h.label, port)
	}
}

// TestNoHeader: a balancer in --proxy-protocol-from sends no header.
func TestNoHeader(t *testing.T) {
	b := newBalancedTest(t, header, "--proxy-protocol-from", "10.9.0.0/24")
	for _, says := range []string{"USER " + harness.User + "\r\n", ""} { // without data, the server waits for three seconds
		b.refuses(t, b.balancer, "21", says)
	}
	g := b.one.login(balanced + ":21")
	_, port, _ := strings.Cut(g.passive("PASV"), ":")
	b.refuses(t, b.balancer, port, "no header")
	b.holds(t, "file", g.store(g.connect(balanced+":"+port), "file"))
}

// TestUnexpectedHeader: a balancer sends headers to a server without --proxy-protocol-from.
func TestUnexpectedHeader(t *testing.T) {
	b := newBalancedTest(t, header)
	conn, err := b.one.dial(balanced + ":21")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "USER "+harness.User+"\r\nPASS "+harness.Password+"\r\nQUIT\r\n")
	if got, _ := io.ReadAll(conn); !bytes.HasPrefix(got, []byte("220")) || bytes.Contains(got, []byte("\n331")) {
		t.Errorf("the answer is %q", got)
	}
}
