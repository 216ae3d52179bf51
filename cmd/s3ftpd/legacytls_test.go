package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
)

var implicitIsOn = regexp.MustCompile(`"listening","address":"([^"]+)","implicit":true`)

// An oldClient is an old device that supports one version of TLS with one cipher suite.
type oldClient struct{ version, suite uint16 }

func (c oldClient) String() string {
	return tls.VersionName(c.version) + " with " + tls.CipherSuiteName(c.suite)
}

// tls returns a configuration for all connections of a session. Data connections resume the TLS session of the control connection.
func (c oldClient) tls() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", MinVersion: c.version, MaxVersion: c.version,
		CipherSuites: []uint16{c.suite}, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
}

// oldClients returns the versions and cipher suites of old scanners and mainframes.
func oldClients() (all []oldClient) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		for _, suite := range []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
			tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA} {
			all = append(all, oldClient{version, suite})
		}
	}
	return append(all, oldClient{tls.VersionTLS10, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}, oldClient{tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
		oldClient{tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA256}, oldClient{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256},
		oldClient{tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256})
}

// With --tls-legacy old devices can connect, and resume on data connections. The log has one line for each of their sessions.
func TestLegacyTLS(t *testing.T) {
	r, _, _ := startDemo(t, t.TempDir(), "--tls-legacy", "--tls-data-session=require")
	address := implicitIsOn.FindStringSubmatch(r.stderr.await(t, `"implicit":true`))[1]
	for i, client := range oldClients() {
		t.Run(client.String(), func(t *testing.T) {
			want := fmt.Sprintf(`"msg":"legacy TLS","event":"tls.legacy","session":".*","peer":".*","version":%q,"cipher":%q`,
				tls.VersionName(client.version), tls.CipherSuiteName(client.suite))
			before := len(regexp.MustCompile(want).FindAllString(r.stderr.String(), -1))
			c := dialTLS(t, address, client.tls())
			expect(t, c, "QUIT", 221)
			config := client.tls()
			c = dialTLS(t, address, config)
			expect(t, c, "USER demo", 331)
			expect(t, c, "PASS demo", 230)
			expect(t, c, "PBSZ 0", 200)
			expect(t, c, "PROT P", 200)
			name, content := fmt.Sprint("f", i), strings.Repeat("content ", 10_000)
			overTLS(t, c, config, "STOR "+name, content)
			if got := overTLS(t, c, config, "RETR "+name, ""); got != content {
				t.Errorf("%d bytes come back, want %d", len(got), len(content))
			}
			expect(t, c, "QUIT", 221)
			if got := len(regexp.MustCompile(want).FindAllString(r.stderr.String(), -1)) - before; got != 2 {
				t.Errorf("the log tells %d times of two sessions", got)
			}
		})
	}
	before := strings.Count(r.stderr.String(), "legacy TLS")
	expect(t, dialTLS(t, address, insecure), "QUIT", 221)
	if after := strings.Count(r.stderr.String(), "legacy TLS"); after != before {
		t.Error("a session of TLS 1.3 is logged as a legacy one")
	}
	if _, err := tls.Dial("tcp", address, (oldClient{tls.VersionTLS12, tls.TLS_RSA_WITH_RC4_128_SHA}).tls()); err == nil {
		t.Error("RC4 is spoken")
	}
}

// overTLS runs a transfer on a data connection with TLS, and sends data unless it is empty.
func overTLS(t *testing.T, c *textproto.Conn, config *tls.Config, command, data string) string {
	t.Helper()
	port := strings.Split(expect(t, c, "EPSV", 229), "|")[3]
	if err := c.PrintfLine("%s", command); err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	expect(t, c, "", 150)
	if !conn.ConnectionState().DidResume {
		t.Error("the data connection does not resume")
	}
	if _, err := io.WriteString(conn, data); err != nil {
		t.Fatal(err)
	}
	if data != "" {
		conn.Close()
	}
	var got []byte
	if data == "" {
		if got, err = io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	expect(t, c, "", 226)
	return string(got)
}

// Without --tls-legacy old devices cannot connect.
func TestNoLegacyTLS(t *testing.T) {
	r, _, _ := startDemo(t, t.TempDir())
	address := implicitIsOn.FindStringSubmatch(r.stderr.await(t, `"implicit":true`))[1]
	for _, client := range oldClients() {
		if conn, err := tls.Dial("tcp", address, client.tls()); err == nil {
			conn.Close()
			t.Errorf("%v is spoken", client)
		}
	}
	expect(t, dialTLS(t, address, insecure), "QUIT", 221)
}

// docs/tls.md lists the cipher suites that are enabled.
func TestCipherSuitesDocumented(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- suites -->\n")
	table, _, closed := strings.Cut(rest, "\n<!-- /suites -->")
	listed := regexp.MustCompile("`(TLS_[A-Z0-9_]+)`").FindAllStringSubmatch(table, -1)
	var names []string
	for _, m := range listed {
		names = append(names, m[1])
	}
	if got, want := strings.Join(names, ", "), suiteNames(soundSuites())+", "+suiteNames(legacySuites()); !closed || got != want {
		t.Errorf("docs/tls.md has\n%s\nwant\n%s", got, want)
	}
	if got := tlsProtocol(&config.Config{TLSMin: "1.2"}); got.MinVersion != tls.VersionTLS12 || got.CipherSuites != nil {
		t.Errorf("by default: %+v", got)
	}
}
