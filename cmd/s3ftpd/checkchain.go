package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// checkChain checks that clients can follow the certificates in --tls-cert from the server's to an authority. Clients do not
// fetch certificates that the file lacks.
func checkChain(r *report, c *config.Config, chain []*x509.Certificate, trusted *x509.CertPool) {
	const check = "certificate-chain"
	leaf, last := chain[0], chain[len(chain)-1]
	between := x509.NewCertPool()
	for _, x := range chain[1:] {
		between.AddCert(x)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: trusted, Intermediates: between, CurrentTime: timeWithin(leaf), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	switch {
	case err == nil:
		r.ok(check, "the chain in --tls-cert leads to an authority that this machine trusts")
	case len(chain) == 1 && isSelfSigned(leaf):
		r.ok(check, "--tls-cert is self-signed: clients must be told to trust it")
	case isSelfSigned(last):
		r.ok(check, "the chain in --tls-cert leads to %s: clients must trust this authority", last.Subject)
	case len(last.IssuingCertificateURL) > 0:
		r.warn(check, "append the certificate of "+last.Issuer.String()+", which is at "+last.IssuingCertificateURL[0]+" in DER; many tools write the whole chain to fullchain.pem",
			"--tls-cert %q has no certificate of %s, which issued that of %s: many clients refuse the connection", c.TLSCert, last.Issuer, last.Subject)
	default:
		r.ok(check, "clients must trust %s, which issued the certificate and is not in --tls-cert", last.Issuer)
	}
	for _, x := range chain {
		if problem := weakness(x); problem != "" && !(x == last && isSelfSigned(x) && len(chain) > 1) {
			r.warn(check, "make a new certificate with an ECDSA key, or an RSA key of 2048 bits or more, signed with SHA-256",
				"--tls-cert %q: the certificate of %s %s, and clients refuse it", c.TLSCert, x.Subject, problem)
		}
	}
}

// timeWithin returns the present, or a time at which an expired or future certificate is valid: its age is another check.
func timeWithin(c *x509.Certificate) time.Time {
	now := time.Now()
	if now.After(c.NotAfter) {
		return c.NotAfter
	}
	if now.Before(c.NotBefore) {
		return c.NotBefore
	}
	return now
}

func isSelfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// weakSignatures are signatures with hashes that clients no longer accept.
var weakSignatures = []x509.SignatureAlgorithm{x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1}

// weakness returns the reason for which clients refuse a certificate as insecure, or "".
func weakness(c *x509.Certificate) string {
	if slices.Contains(weakSignatures, c.SignatureAlgorithm) {
		return "is signed with " + c.SignatureAlgorithm.String()
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return "has an RSA key of less than 2048 bits"
	}
	return ""
}
