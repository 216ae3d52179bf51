package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// hosts returns the DNS names and IP addresses of a certificate.
func hosts(c *x509.Certificate) []string {
	list := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}

// fingerprint returns the SHA-256 hash of a certificate in the format of openssl and FTP clients.
func fingerprint(c *x509.Certificate) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(c.Raw)), " ", ":")
}

// soon is how long before a certificate expires the warnings begin. Automatic renewal runs earlier.
const soon = 14 * 24 * time.Hour

// age returns the problem with a certificate's period of validity, or "" if it has none.
func age(c *x509.Certificate, now time.Time) string {
	switch {
	case now.After(c.NotAfter):
		return "has expired, and clients refuse it"
	case now.Before(c.NotBefore):
		return "is not valid yet, and clients refuse it"
	case now.Add(soon).After(c.NotAfter):
		return "expires soon"
	}
	return ""
}

// selfSigned makes a certificate for all names and addresses of this machine. Its key is kept in memory only. With legacy it is
// an RSA key, because the cipher suites of old devices need one.
func selfSigned(legacy bool) (*tls.Certificate, error) {
	var key crypto.Signer
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	usage := x509.KeyUsageDigitalSignature
	if legacy {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
		usage |= x509.KeyUsageKeyEncipherment
	}
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		NotBefore:             time.Now().Add(-time.Hour), // clients' clocks may be slow
		NotAfter:              time.Now().AddDate(10, 0, 0),
		KeyUsage:              usage,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
	}
	if host, err := os.Hostname(); err == nil && host != "localhost" && isVisibleASCII(host) {
		template.DNSNames = []string{host, "localhost"}
	}
	template.Subject = pkix.Name{CommonName: template.DNSNames[0]}
	template.IPAddresses = ownAddresses()
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(raw)
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}, err
}

// ownAddresses returns the addresses of all network interfaces, loopback included.
func ownAddresses() (list []net.IP) {
	addrs, _ := net.InterfaceAddrs() // on error the certificate has only names
	for _, a := range addrs {
		if network, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, network.Addr().AsSlice())
		}
	}
	return list
}

// isVisibleASCII reports whether a host name is valid in a certificate: only visible ASCII characters.
func isVisibleASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
