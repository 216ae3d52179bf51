package ftp

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"testing/synctest"
	"time"
)

// optionTLS executes a ! line that concerns TLS.
func (s *script) optionTLS(name, value string) {
	if name == "show" { // tickets or certificate of the client
		s.show(value)
		return
	}
	if s.srv.TLS == nil {
		s.srv.TLS = &TLS{Config: func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{serverCertificate()}} }}
	}
	demands := map[string]Demand{"optional": Optional, "offer": Optional, "required": Required, "require": Required, "off": Never}
	switch {
	case name == "tls" && value == "implicit":
		s.implicit = true
	case name == "tls":
		s.srv.TLS.Control = demands[value]
	case name == "data-session":
		s.srv.TLS.DataSession = demands[value]
	case name == "share":
		s.srv.TLS.Share = true
	case name == "upload-close":
		s.srv.TLS.LenientClose = value == "lenient"
	case name == "tls-version":
		s.version = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[value]
	case name == "tls-legacy": // the server supports all versions
		s.srv.TLS.Config = func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{serverCertificate()}, MinVersion: tls.VersionTLS10}
		}
	case name == "client-certificate": // the server requires one
		s.srv.TLS.Config = func() *tls.Config {
			pool := x509.NewCertPool()
			for _, name := range []string{"scanner", "other"} {
				pool.AddCert(certificate(name).Leaf)
			}
			return &tls.Config{Certificates: []tls.Certificate{serverCertificate()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
		}
	}
}

var serverCertificate = sync.OnceValue(func() tls.Certificate { return certificate("ftp.example.com") })

var certificates sync.Map

// certificate returns the self-signed certificate of a name. It is valid in the year 2000 of synctest bubbles too.
func certificate(name string) tls.Certificate {
	if c, ok := certificates.Load(name); ok {
		return c.(tls.Certificate)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	c, _ := certificates.LoadOrStore(name, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf})
	return c.(tls.Certificate)
}

// show makes the client send the tickets of client 1, no tickets, no certificate, or the certificate of a name.
func (s *script) show(what string) {
	s.tls.config = s.tls.config.Clone()
	switch what {
	case "tickets of 1":
		s.tls.config.ClientSessionCache = s.clients[1].tls.config.ClientSessionCache
	case "no tickets":
		s.tls.config.ClientSessionCache = nil
	case "no certificate":
		s.tls.config.Certificates = nil
	default:
		s.tls.config.Certificates = []tls.Certificate{certificate(what)}
	}
}

// A tlsClient is the TLS configuration and state of a client.
type tlsClient struct {
	config  *tls.Config
	private bool   // PROT P is in effect
	asked   string // the argument of PROT, until the reply
}

func newTLSClient(version uint16) tlsClient {
	pool := x509.NewCertPool()
	pool.AddCert(serverCertificate().Leaf)
	return tlsClient{config: &tls.Config{RootCAs: pool, ServerName: "ftp.example.com", MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(0)}}
}

// handshake performs the TLS handshake of the client. It fails the test on an error, unless mayFail is true.
func (c tlsClient) handshake(s *script, conn net.Conn, mayFail bool) net.Conn {
	secure := tls.Client(closeNotifyConn{&replayConn{conn, bufio.NewReaderSize(conn, 64<<10)}}, c.config) // TCP has buffers, a pipe has none
	err := secure.HandshakeContext(s.t.Context())
	synctest.Wait()
	if err != nil && !mayFail {
		s.fatalf("TLS handshake: %v", err)
	}
	return secure
}
