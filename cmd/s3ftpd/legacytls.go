package main

import (
	"crypto/rsa"
	"crypto/tls"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
)

// tlsProtocol returns a tls.Config with the TLS versions and, below TLS 1.3, the cipher suites that the options enable.
func tlsProtocol(c *config.Config) *tls.Config {
	switch {
	case c.TLSLegacy:
		return &tls.Config{MinVersion: tls.VersionTLS10, CipherSuites: append(soundSuites(), legacySuites()...)}
	case c.TLSMin == "1.3":
		return &tls.Config{MinVersion: tls.VersionTLS13}
	}
	return &tls.Config{MinVersion: tls.VersionTLS12} // cipher suites: Go's default, which is soundSuites
}

// soundSuites returns the cipher suites of TLS 1.2 that crypto/tls considers secure.
func soundSuites() (ids []uint16) {
	for _, suite := range tls.CipherSuites() {
		if slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

// legacySuites returns the weak cipher suites that old devices may need, 3DES among them. It leaves out RC4: every device with RC4
// has one of the others too.
func legacySuites() (ids []uint16) {
	for _, suite := range tls.InsecureCipherSuites() {
		if !strings.Contains(suite.Name, "_RC4_") {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

// suiteNames returns the names of cipher suites in the RFCs.
func suiteNames(ids []uint16) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = tls.CipherSuiteName(id)
	}
	return strings.Join(names, ", ")
}

// checkVersions reports the TLS versions and, below TLS 1.3, the cipher suites that clients can use.
func checkVersions(r *report, c *config.Config, k *certificate) {
	const check = "tls-versions"
	switch {
	case c.TLSLegacy:
		r.warn(check, "remove --tls-legacy once the last old device is gone",
			"TLS 1.0 to 1.3 are enabled, since --tls-legacy is on; below TLS 1.3 with %s, and with %s, which are weak", suiteNames(soundSuites()), suiteNames(legacySuites()))
		if _, ok := k.leaf().PublicKey.(*rsa.PublicKey); !ok {
			r.warn(check, "make a certificate with an RSA key", "--tls-cert %q has no RSA key: old devices that know only suites with RSA in their names cannot connect", c.TLSCert)
		}
	case c.TLSMin == "1.3":
		r.ok(check, "TLS 1.3 is enabled, and no older version")
	default:
		r.ok(check, "TLS 1.2 and 1.3 are enabled, TLS 1.2 with %s; --tls-legacy is for devices that need older versions", suiteNames(soundSuites()))
	}
}
