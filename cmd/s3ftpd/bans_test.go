package main

import (
	"fmt"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// through opens a control connection to a server behind a load balancer, which says that it comes from a client.
func through(t *testing.T, address, client string) *textproto.Conn {
	t.Helper()
	c, err := textproto.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	protocol, server := "TCP4", "192.0.2.1"
	if strings.Contains(client, ":") {
		protocol, server = "TCP6", "2001:db8::1"
	}
	if err := c.PrintfLine("PROXY %s %s %s 1025 21", protocol, client, server); err != nil {
		t.Fatal(err)
	}
	return c
}

// failLogins logs in from n clients at the same time with a wrong password, which takes a second. The verb in client is replaced by
// a number.
func failLogins(t *testing.T, n int, address, client, user string) {
	t.Helper()
	sessions := make([]*textproto.Conn, n)
	for i := range sessions {
		if strings.Contains(client, "%") {
			sessions[i] = through(t, address, fmt.Sprintf(client, i+1))
		} else {
			sessions[i] = through(t, address, client)
		}
		expect(t, sessions[i], "", 220)
		expect(t, sessions[i], "USER "+user, 331)
		if err := sessions[i].PrintfLine("PASS wrong"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range sessions {
		expect(t, c, "", 530)
		c.Close()
	}
}

// startBalanced starts a server behind a load balancer, and returns its address.
func startBalanced(t *testing.T, environ []string, args ...string) (*running, string) {
	t.Helper()
	r := start(t, environ, append(args, "--ftp=127.0.0.1:0", "--proxy-protocol-from=127.0.0.1", "--log-level=debug")...)
	return r, listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1]
}

// After 15 failed logins a client is refused, in place of the banner. Others come through the same load balancer.
func TestBans(t *testing.T) {
	awsEnvironment(t)
	r, address := startBalanced(t, []string{"S3FTPD_PASSWORD=wonderland"}, "--user=alice", "--bucket=invoices", "--endpoint=http://127.0.0.1:1")
	loginOf := func(client, user, password string, code int) {
		t.Helper()
		c := through(t, address, client)
		expect(t, c, "", 220)
		expect(t, c, "USER "+user, 331)
		expect(t, c, "PASS "+password, code)
		c.Close()
	}
	refused := func(client string) {
		t.Helper()
		if text := expect(t, through(t, address, client), "", 421); text != "Too many failed logins, try again later." {
			t.Errorf("%s: %s", client, text)
		}
	}

	failLogins(t, 14, address, "198.51.100.66", "alice")
	running := through(t, address, "198.51.100.66")
	expect(t, running, "", 220)
	failLogins(t, 1, address, "198.51.100.66", "alice")
	refused("198.51.100.66")
	expect(t, running, "USER alice", 331)
	expect(t, running, "PASS wonderland", 421)
	loginOf("198.51.100.67", "alice", "wonderland", 230)

	failLogins(t, 15, address, "2001:db8:0:1::%x", "alice") // one network
	refused("2001:db8:0:1:ffff::1")
	loginOf("2001:db8:0:2::1", "alice", "wonderland", 230)

	loginOf("203.0.113.1", "alice", "wonderland", 230) // NAT: alice and another user with one address
	failLogins(t, 15, address, "203.0.113.1", "bob")
	loginOf("203.0.113.1", "alice", "wonderland", 230)
	loginOf("203.0.113.1", "bob", "wrong", 421)

	text := r.stderr.String()
	for _, want := range []string{
		`"event":"login.banned"`, `"address":"198.51.100.66/32"`, `"address":"2001:db8:0:1::/64"`, `"address":"203.0.113.1/32","user":"bob"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if n := strings.Count(text, `"event":"login.banned"`); n != 3 {
		t.Errorf("the log has %d bans, want 3:\n%s", n, text)
	}
}

// A login of anonymous, which any client can have, does not keep its address from being banned.
func TestBanDespiteAnonymous(t *testing.T) {
	awsEnvironment(t)
	file := usersFileOf(t, "", `
defaults: {bucket: invoices}
users:
  - {name: anonymous, password: any}
  - {name: alice, password: $alice}
`, "alice")
	_, address := startBalanced(t, nil, "--users="+file, "--endpoint=http://127.0.0.1:1")
	for client, user := range map[string]string{"198.51.100.66": "anonymous", "198.51.100.67": "alice"} {
		c := through(t, address, client)
		expect(t, c, "", 220)
		expect(t, c, "USER "+user, 331)
		expect(t, c, "PASS pw-alice", 230)
		c.Close()
		failLogins(t, 15, address, client, "bob")
	}
	expect(t, through(t, address, "198.51.100.66"), "", 421)
	expect(t, through(t, address, "198.51.100.67"), "", 220)
}

// Logins with S3 keys are counted too.
func TestBanForWrongS3Keys(t *testing.T) {
	store := embeddedKeys(t)
	_, address := startBalanced(t, nil, "--auth=s3", "--region="+store.region, "--endpoint="+store.endpoint)
	failLogins(t, 15, address, "198.51.100.66", store.key)
	expect(t, through(t, address, "198.51.100.66"), "", 421)
	expect(t, through(t, address, "198.51.100.67"), "", 220)
}

// The options reach the bans. The addresses of load balancers are exempt.
func TestBanOptions(t *testing.T) {
	c, err := config.Load(config.Serve, []string{"--bucket=invoices", "--user=alice", "--ban-after=7", "--ban-time=1h", "--ban-exempt=10.1.0.0/16",
		"--proxy-protocol-from=10.9.0.0/24"}, []string{"S3FTPD_PASSWORD=x"})
	if err != nil {
		t.Fatal(err)
	}
	b := newResources(c, nil).bans
	if want := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.9.0.0/24")}; b.After != 7 || b.Time != time.Hour ||
		!slices.Equal(b.Exempt, want) {
		t.Errorf("after %d in %v, exempt %v", b.After, b.Time, b.Exempt)
	}
}
