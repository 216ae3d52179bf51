package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// issue makes a certificate that is valid from now for the duration good. It is signed by another certificate or by itself.
func issue(t *testing.T, subject pkix.Name, good time.Duration, by *real.Certificate) real.Certificate {
	t.Helper()
	return real.Issue(t, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, NotBefore: time.Now().Add(min(0, good-time.Hour)),
		NotAfter: time.Now().Add(good), IsCA: by == nil, BasicConstraintsValid: true, DNSNames: []string{"ftp.example.com"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, by)
}

func called(name string) pkix.Name { return pkix.Name{CommonName: name} }

const year = 365 * 24 * time.Hour

// A pairDir is a directory with a certificate and its key, and the configuration that names them.
type pairDir struct {
	t   *testing.T
	dir string
	c   *config.Config
}

func newPairDir(t *testing.T) pairDir {
	dir := t.TempDir()
	return pairDir{t, dir, &config.Config{TLSCert: filepath.Join(dir, "tls.crt"), TLSKey: filepath.Join(dir, "tls.key"), TLSMin: "1.2"}}
}

func (d pairDir) write(name string, parts ...[]byte) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), bytes.Join(parts, nil), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d pairDir) put(i real.Certificate) {
	d.write("tls.crt", i.Cert)
	d.write("tls.key", i.Key)
}

func TestCertificateFromFiles(t *testing.T) {
	d := newPairDir(t)
	ca := issue(t, called("ca"), year, nil)
	server := issue(t, called("server"), year, &ca)
	for name, c := range map[string]struct {
		cert, key, ca []byte
		change        func(*config.Config)
		min           uint16
	}{
		"as it is": {server.Cert, server.Key, nil, func(*config.Config) {}, tls.VersionTLS12},
		"from Windows": {slices.Concat([]byte("\uFEFF"), server.Cert), slices.Concat([]byte("\uFEFF"), server.Key), slices.Concat([]byte("\uFEFF"), ca.Cert),
			func(c *config.Config) { c.TLSClientCA = filepath.Join(d.dir, "ca.crt") }, tls.VersionTLS12},
		"with its chain":   {slices.Concat(server.Cert, ca.Cert), server.Key, nil, func(*config.Config) {}, tls.VersionTLS12},
		"both in one file": {slices.Concat(server.Cert, server.Key), nil, nil, func(c *config.Config) { c.TLSKey = c.TLSCert }, tls.VersionTLS12},
		"TLS 1.3 alone":    {server.Cert, server.Key, nil, func(c *config.Config) { c.TLSMin = "1.3" }, tls.VersionTLS13},
		"clients' certificates": {server.Cert, server.Key, slices.Concat(ca.Cert, server.Cert),
			func(c *config.Config) { c.TLSClientCA = filepath.Join(d.dir, "ca.crt") }, tls.VersionTLS12},
	} {
		t.Run(name, func(t *testing.T) {
			d.write("tls.crt", c.cert)
			d.write("tls.key", c.key)
			d.write("ca.crt", c.ca)
			wanted := *d.c
			c.change(&wanted)
			log := newConsole()
			k, err := openCertificate(&wanted, newLog(&config.Config{LogFormat: "json"}, log))
			if err != nil {
				t.Fatal(err)
			}
			got := k.config()
			if got.MinVersion != c.min || !got.Certificates[0].Leaf.Equal(server.Leaf) || (got.ClientAuth == tls.RequireAndVerifyClientCert) != (c.ca != nil) {
				t.Errorf("got version %x of %s, client certificates: %v", got.MinVersion, got.Certificates[0].Leaf.Subject, got.ClientAuth)
			}
			if c.ca != nil {
				if _, err := server.Leaf.Verify(x509.VerifyOptions{Roots: got.ClientCAs}); err != nil {
					t.Error(err)
				}
			}
			if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "CN=server") ||
				!strings.Contains(text, `["ftp.example.com","127.0.0.1"]`) || !strings.Contains(text, fingerprint(server.Leaf)) {
				t.Error(text)
			}
		})
	}
}

func TestNoCertificate(t *testing.T) {
	if k, err := openCertificate(&config.Config{}, quiet); k != nil || err != nil {
		t.Errorf("got %v, %v", k, err)
	}
}

// An error about a file names its option, and says how to correct it.
func TestCertificateThatIsNone(t *testing.T) {
	d := newPairDir(t)
	d.c.TLSClientCA = filepath.Join(d.dir, "ca.crt")
	ca := issue(t, called("ca"), year, nil)
	server, other := issue(t, called("server"), year, &ca), issue(t, called("other"), year, &ca)
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("x")})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	der := server.Leaf.Raw
	for name, c := range map[string]struct {
		cert, key, ca []byte
		says          []string
	}{
		"another's key":        {server.Cert, other.Key, ca.Cert, []string{`--tls-key "KEY": does not belong to the certificate in "CERT"`}},
		"the chain reversed":   {slices.Concat(ca.Cert, server.Cert), server.Key, ca.Cert, []string{`--tls-cert "CERT": the server's own certificate has to stand first; it is number 2`}},
		"changed places":       {server.Key, server.Cert, ca.Cert, []string{`--tls-cert "CERT": there is no certificate in it, only PRIVATE KEY; have`, `--tls-key "KEY": there is no private key in it, only CERTIFICATE`}},
		"an encrypted key":     {server.Cert, encrypted, ca.Cert, []string{`--tls-key "KEY": is encrypted`, "openssl pkey"}},
		"an old encrypted key": {server.Cert, legacy, ca.Cert, []string{`--tls-key "KEY": is encrypted`}},
		"DER":                  {der, server.Key, ca.Cert, []string{`--tls-cert "CERT": is not PEM`, "openssl"}},
		"nothing":              {nil, nil, nil, []string{`--tls-cert "CERT": there is no certificate in it; PEM`, "-----BEGIN PRIVATE KEY-----", `--tls-client-ca "CA": there is no certificate`}},
		"a broken one":         {slices.Concat(server.Cert, broken), server.Key, ca.Cert, []string{`--tls-cert "CERT": certificate 2 of 2: `}},
		"a broken key":         {server.Cert, bytes.Replace(server.Key, []byte("MI"), []byte("MA"), 1), ca.Cert, []string{`--tls-key "KEY": `}},
		"a broken authority":   {server.Cert, server.Key, broken, []string{`--tls-client-ca "CA": certificate 1 of 1: `}},
	} {
		d.write("tls.crt", c.cert)
		d.write("tls.key", c.key)
		d.write("ca.crt", c.ca)
		k, err := openCertificate(d.c, quiet)
		for _, says := range c.says {
			says = strings.NewReplacer("CERT\"", d.c.TLSCert+`"`, `"KEY"`, `"`+d.c.TLSKey+`"`, `"CA"`, `"`+d.c.TLSClientCA+`"`).Replace(says)
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, %v, want %s", name, k, err, says)
			}
		}
	}
	os.Remove(d.c.TLSCert)
	if _, err := openCertificate(d.c, quiet); err == nil || !strings.Contains(err.Error(), `tls.crt": no such file`) {
		t.Errorf("got %v", err)
	}
}

// The self-signed certificate is valid for every name and address of this machine.
func TestSelfSigned(t *testing.T) {
	log := newConsole()
	k, err := openCertificate(&config.Config{TLSSelfSigned: true}, newLog(&config.Config{LogFormat: "json"}, log))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(k.leaf())
	hosts := []string{"localhost", "127.0.0.1"}
	if host, err := os.Hostname(); err == nil {
		hosts = append(hosts, host)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		host, _, _ := strings.Cut(a.String(), "/")
		hosts = append(hosts, host)
	}
	for _, host := range hosts {
		for _, when := range []time.Duration{-50 * time.Minute, 0, 9 * year} {
			if _, err := k.leaf().Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: time.Now().Add(when)}); err != nil {
				t.Errorf("%s after %v: %v", host, when, err)
			}
		}
	}
	if text := log.String(); !strings.Contains(text, fingerprint(k.leaf())) || len(fingerprint(k.leaf())) != 32*3-1 || strings.Contains(text, "WARN") {
		t.Error(text)
	}
	if again, err := selfSigned(false); err != nil || again.Leaf.Equal(k.leaf()) {
		t.Errorf("the same certificate, or none: %v", err)
	}
}

func TestAge(t *testing.T) {
	leaf := issue(t, called("x"), year, nil).Leaf
	for want, now := range map[string]time.Time{
		"has expired, and clients refuse it":      leaf.NotAfter.Add(time.Second),
		"is not valid yet, and clients refuse it": leaf.NotBefore.Add(-time.Second),
		"expires soon": leaf.NotAfter.Add(-soon + time.Second),
		"":             leaf.NotAfter.Add(-soon),
	} {
		if got := age(leaf, now); got != want {
			t.Errorf("%v: got %q, want %q", now, got, want)
		}
	}
}
