package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// insecure is a configuration of test clients that accepts every certificate.
var insecure = &tls.Config{InsecureSkipVerify: true}

// dialTLS opens a control connection with implicit TLS.
func dialTLS(t *testing.T, address string, c *tls.Config) *textproto.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", address, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client := textproto.NewConn(conn)
	expect(t, client, "", 220)
	return client
}

// With a certificate, --ftps is open too, and --ftp refuses logins without TLS.
func TestServeTLS(t *testing.T) {
	awsEnvironment(t)
	ftp, ftps := real.FreeAddr(t), real.FreeAddr(t)
	r := start(t, []string{"S3FTPD_PASSWORD=wonderland"}, "--user=alice", "--bucket=invoices", "--ftp", ftp, "--ftps", ftps,
		"--endpoint=http://127.0.0.1:1", "--tls-self-signed", "--tls-min=1.3")
	r.stderr.await(t, `"listening","address":"`+ftps+`","implicit":true`)
	expect(t, dial(t, ftp), "USER alice", 530)
	c := dialTLS(t, ftps, insecure)
	expect(t, c, "USER alice", 331)
	expect(t, c, "PASS wonderland", 230)
	expect(t, c, "QUIT", 221)
	if conn, err := tls.Dial("tcp", ftps, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		conn.Close()
		t.Error("TLS 1.2 is good enough")
	}
	if text := r.stderr.String(); !strings.Contains(text, `"listening","address":"`+ftp+`","implicit":false`) || strings.Contains(text, "nothing uses") {
		t.Error(text)
	}
}

// If one address cannot be bound, none stays bound.
func TestListenAll(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := real.FreeAddr(t)
	if ls, err := listenAll(t.Context(), &config.Config{FTP: free, FTPS: taken.Addr().String()}, listen); err == nil ||
		!strings.Contains(err.Error(), "--ftps") || ls != (listeners{}) {
		t.Errorf("got %v, %v", ls, err)
	}
	for _, c := range []*config.Config{{FTP: free}, {FTPS: free}} {
		ls, err := listenAll(t.Context(), c, listen)
		if err != nil || (ls.ftp != nil) != (c.FTP != "") || (ls.ftps != nil) != (c.FTPS != "") {
			t.Errorf("%+v: got %v, %v", c, ls, err)
		}
		ls.Close()
	}
}

// A listener that fails stops the other one too, and its error is returned.
func TestOneListenerFails(t *testing.T) {
	for which := range 2 {
		synctest.Test(t, func(t *testing.T) {
			broken := errors.New("it broke")
			ls := [2]*breakable{{broken: make(chan error)}, {broken: make(chan error)}}
			done := make(chan error)
			go func() {
				done <- listeners{ftp: ls[0], ftps: ls[1]}.serve(t.Context(), servers{ftp: &ftp.Server{Sessions: new(proxy.Sessions)}}, quiet)
			}()
			ls[which].broken <- broken
			if err := <-done; !errors.Is(err, broken) {
				t.Errorf("%d: got %v", which, err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ls := listeners{ftp: &breakable{broken: make(chan error)}, ftps: &breakable{broken: make(chan error)}}
	if err := ls.serve(ctx, servers{ftp: &ftp.Server{Sessions: new(proxy.Sessions)}}, quiet); err != nil {
		t.Errorf("an end that was asked for: %v", err)
	}
}

// A breakable listener accepts no connection. Accept returns when the listener breaks or is closed.
type breakable struct {
	broken chan error
}

func (l *breakable) Accept() (net.Conn, error) {
	if err, open := <-l.broken; open {
		return nil, err
	}
	return nil, net.ErrClosed
}

func (l *breakable) Close() error   { close(l.broken); return nil }
func (l *breakable) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// A certificate that no listener uses causes a warning.
func TestUnusedCertificate(t *testing.T) {
	awsEnvironment(t)
	r := start(t, []string{"S3FTPD_PASSWORD=x"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--endpoint=http://127.0.0.1:1",
		"--tls-self-signed", "--tls=off", "--ftps=")
	address := listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1]
	expect(t, dial(t, address), "AUTH TLS", 502)
	if text := r.stderr.String(); !strings.Contains(text, "nothing uses the certificate") || !strings.Contains(text, "--tls optional") {
		t.Error(text)
	}
}

// serve does not start with an invalid certificate.
func TestServeWithoutKey(t *testing.T) {
	d := newPairDir(t)
	t.Chdir(t.TempDir()) // the demo keeps its files there
	for _, command := range []string{"serve", "demo"} {
		code, out, text := output(t, "", []string{"S3FTPD_PASSWORD=x"}, command, "--user=alice", "--bucket=invoices", "--tls-cert", d.c.TLSCert, "--tls-key", d.c.TLSKey)
		if code != exitFailure || !strings.Contains(text, "s3ftpd: --tls-cert") || !strings.Contains(text, "\ns3ftpd: --tls-key") || out != "" {
			t.Errorf("%s: %d, %s%s", command, code, out, text)
		}
	}
}

// A listener with --tls-client-ca requires a client certificate, which logs its user in without a password.
func TestServeClientCertificates(t *testing.T) {
	awsEnvironment(t)
	d := newPairDir(t)
	ca, foreign := issue(t, called("ca"), year, nil), issue(t, called("ca"), year, nil)
	d.write("ca.crt", ca.Cert)
	ftps := real.FreeAddr(t)
	r := start(t, nil, "--user=alice", "--user-certificate=alice", "--tls-client-ca="+d.dir+"/ca.crt", "--bucket=invoices",
		"--ftp=", "--ftps", ftps, "--endpoint=http://127.0.0.1:1", "--tls-self-signed")
	r.stderr.await(t, `"listening"`)
	c := dialTLS(t, ftps, with(issue(t, called("alice"), year, &ca)))
	expect(t, c, "USER alice", 232)
	expect(t, c, "PWD", 257)
	c = dialTLS(t, ftps, with(issue(t, called("bob"), year, &ca)))
	expect(t, c, "USER alice", 331)
	expect(t, c, "PASS alice", 530)
	for name, config := range map[string]*tls.Config{
		"none": insecure, "another authority's": with(issue(t, called("alice"), year, &foreign)), "an old one": with(issue(t, called("alice"), -year, &ca)),
	} {
		conn, err := tls.Dial("tcp", ftps, config)
		if err == nil { // in TLS 1.3 the client sees the refusal when it reads
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if err == nil {
			t.Errorf("%s is good enough", name)
		}
	}
}

// with returns the configuration of a client with a certificate.
func with(i real.Certificate) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{{Certificate: [][]byte{i.Leaf.Raw}, PrivateKey: i.Signer}}}
}

// With --tls-client-auth optional a client without a certificate logs in with its password. A certificate of another authority is
// refused nevertheless.
func TestOptionalClientCertificates(t *testing.T) {
	awsEnvironment(t)
	d := newPairDir(t)
	ca, foreign := issue(t, called("ca"), year, nil), issue(t, called("ca"), year, nil)
	d.write("ca.crt", ca.Cert)
	ftp, ftps := real.FreeAddr(t), real.FreeAddr(t)
	r := start(t, []string{"S3FTPD_PASSWORD=wonderland"}, "--user=alice", "--user-certificate=alice", "--tls-client-ca="+d.dir+"/ca.crt",
		"--tls-client-auth=optional", "--bucket=invoices", "--ftp", ftp, "--tls=optional", "--ftps", ftps, "--endpoint=http://127.0.0.1:1", "--tls-self-signed")
	r.stderr.await(t, `"listening","address":"`+ftps)
	expect(t, dialTLS(t, ftps, with(issue(t, called("alice"), year, &ca))), "USER alice", 232)
	for name, c := range map[string]*textproto.Conn{"TLS without a certificate": dialTLS(t, ftps, insecure), "without TLS": dial(t, ftp)} {
		expect(t, c, "USER alice", 331)
		if text := expect(t, c, "PASS wonderland", 230); text == "" {
			t.Errorf("%s: no login", name)
		}
	}
	conn, err := tls.Dial("tcp", ftps, with(issue(t, called("alice"), year, &foreign)))
	if err == nil { // in TLS 1.3 the client sees the refusal when it reads
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	if err == nil {
		t.Error("a certificate of another authority is good enough")
	}
}
