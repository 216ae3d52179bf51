package netns

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

const public = "203.0.113.10" // the public address of a server behind a router

// routed returns the hosts of a client and a server, each behind a router that translates addresses. The server's router forwards two
// ports, one for control and one for data connections.
func routed(t *testing.T) (client, server *host) {
	client, near, far, server := newHost(t, "client"), newHost(t, "near"), newHost(t, "far"), newHost(t, "server")
	link(client, "192.168.1.2/24", near, "192.168.1.1/24")
	link(near, "203.0.113.77/24", far, public+"/24")
	link(far, "10.0.0.1/24", server, "10.0.0.2/24")
	client.ip("route add default via 192.168.1.1")
	server.ip("route add default via 10.0.0.1")
	near.routes()
	near.nft(`chain nat {
		type nat hook postrouting priority srcnat
		oifname "far" masquerade
	}`)
	far.routes()
	far.nft(`chain nat {
		type nat hook prerouting priority dstnat
		iifname "near" tcp dport { 21, 60000 } dnat ip to 10.0.0.2
	}
	chain firewall {
		type filter hook forward priority filter; policy drop;
		ct state established accept
		ct status dnat accept
	}`)
	return client, server
}

// onePort are the options of a server with one passive port.
var onePort = []string{"--tls-self-signed", "--ftps", "", "--passive-ports", "60000", "--passive-address", public}

var versions = []struct {
	name    string
	version uint16
	curl    []string
	lftp    string
}{
	{"TLS 1.2", tls.VersionTLS12, []string{"--tls-max", "1.2"}, "NORMAL:-VERS-ALL:+VERS-TLS1.2"},
	{"TLS 1.3", tls.VersionTLS13, []string{"--tlsv1.3"}, "NORMAL:-VERS-ALL:+VERS-TLS1.3"},
}

// TestOnePortByTicket: 24 clients behind one address wait on one port at the same time.
func TestOnePortByTicket(t *testing.T) {
	s := newStorage(t)
	client, server := routed(t)
	s.bridge(server, append(onePort, "--passive-share", "ticket")...)
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			guests := make([]*bareTLSClient, 24)
			for i := range guests {
				guests[i] = client.in(t).loginTLS(public+":21", v.version)
				guests[i].resumeOnce()
			}
			waitTogether(t, s, guests)
		})
	}
}

// TestOnePortByAddress: clients behind one address take turns on a port, and wait for a limited time.
func TestOnePortByAddress(t *testing.T) {
	s := newStorage(t)
	client, server := routed(t)
	s.bridge(server, onePort...)
	first, second := client.loginTLS(public+":21", tls.VersionTLS13), client.loginTLS(public+":21", tls.VersionTLS13)
	first.resumeOnce()
	second.resumeOnce()
	at := first.passive("PASV")
	second.Cmd(425, "PASV")
	s.holds(t, "first", first.store(first.connect(at), "first"))
	at = first.passive("PASV")
	if err := second.Conn.PrintfLine("EPSV"); err != nil {
		t.Fatal(err)
	}
	data := first.connect(at)
	second.Expect(229)
	s.holds(t, "second", second.store(second.connect(at), "second"))
	s.holds(t, "first again", first.store(data, "first again"))
}

// waitTogether makes all clients wait on the one port before the first connects, for an upload and then for a download.
func waitTogether(t *testing.T, s storage, guests []*bareTLSClient) {
	at := make([]string, len(guests))
	sums := make([]string, len(guests))
	var all sync.WaitGroup
	ask := func() {
		for i, g := range guests {
			if at[i] = g.passive("PASV"); at[i] != at[0] {
				t.Fatalf("ports are %s and %s, want one", at[0], at[i])
			}
		}
	}
	name := func(i int) string { return fmt.Sprintf("%s, %d", strings.ReplaceAll(t.Name(), "/", " "), i) }
	ask()
	for i, g := range guests {
		all.Go(func() { sums[i] = g.store(g.connect(at[i]), name(i)) })
	}
	all.Wait()
	ask()
	for i, g := range guests {
		all.Go(func() {
			if got := g.fetch(g.connect(at[i]), name(i)); got != sums[i] {
				t.Errorf("%s: %s comes back, want %s", name(i), got, sums[i])
			}
		})
	}
	all.Wait()
	for i := range guests {
		s.holds(t, name(i), sums[i])
	}
}

// TestOnePortForPrograms: 24 processes at the same time each send a file, fetch it and list a directory.
func TestOnePortForPrograms(t *testing.T) {
	s := newStorage(t)
	client, server := routed(t)
	for _, share := range []string{"address", "ticket"} {
		t.Run(share, func(t *testing.T) {
			s.bridge(server.in(t), append(onePort, "--passive-share", share)...)
			for _, v := range versions {
				runClients(t, client, "lftp, "+v.name, func(h *host) {
					s.lftp(h, public, "net:max-retries 5", "net:reconnect-interval-base 1", "ftp:ssl-force yes", "ftp:ssl-protect-data yes",
						"ssl:verify-certificate no", "ssl:priority "+v.lftp)
				})
				runClients(t, client, "curl, "+v.name, func(h *host) {
					s.curl(h, public, append(v.curl, "--insecure", "--ssl-reqd", "--retry", "5", "--retry-max-time", "60", "--retry-all-errors")...)
				})
			}
		})
	}
}

// runClients runs 24 clients in a subtest. A client that got 425 may retry.
func runClients(t *testing.T, client *host, name string, login func(h *host)) {
	t.Run(name, func(t *testing.T) {
		var all sync.WaitGroup
		for range 24 {
			all.Go(func() { login(client.in(t)) })
		}
		all.Wait()
	})
}

// TestOnePortInParallel: 24 sessions of one process share their tickets, and none gets the file of another.
func TestOnePortInParallel(t *testing.T) {
	s := newStorage(t)
	client, server := routed(t)
	s.bridge(server, onePort...)
	dir := t.TempDir()
	sums := make(map[string]string)
	var list strings.Builder
	for i := range 120 {
		name := fmt.Sprintf("file-%d", i)
		sums[name] = harness.MakeFile(t, filepath.Join(dir, name), 100*harness.KiB)
		fmt.Fprintf(&list, "upload-file = %q\nurl = \"ftp://%s/%s\"\n", name, public, name)
	}
	client.run(dir, list.String(), "curl", "-sS", "--insecure", "--ssl-reqd", "--tlsv1.3", "--parallel", "--parallel-immediate",
		"--parallel-max", "24", "--max-time", "60", "--retry", "5", "--retry-max-time", "60", "--retry-all-errors",
		"--user", harness.User+":"+harness.Password, "-K", "-")
	for name, want := range sums {
		s.holds(t, name, want)
	}
}
