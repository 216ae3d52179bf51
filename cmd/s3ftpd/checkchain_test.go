package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// issueChain makes a root, an intermediate authority, and a certificate of the intermediate one, which names the URL of its
// issuer if issuerURL is not empty.
func issueChain(t *testing.T, issuerURL string) (root, between, leaf *x509.Certificate) {
	template := func(name string, authority bool) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
			NotAfter: time.Now().Add(year), IsCA: authority, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	}
	top := real.Issue(t, template("root", true), nil)
	middle := real.Issue(t, template("between", true), &top)
	server := template("server", false)
	if issuerURL != "" {
		server.IssuingCertificateURL = []string{issuerURL}
	}
	return top.Leaf, middle.Leaf, real.Issue(t, server, &middle).Leaf
}

// check tells whether clients can follow the chain in --tls-cert, and what is missing.
func TestCheckChain(t *testing.T) {
	root, between, leaf := issueChain(t, "http://ca.example.com/between.crt")
	_, _, private := issueChain(t, "")
	expired := *leaf
	expired.NotAfter = time.Now().Add(-time.Hour)
	short := *leaf
	short.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	old := *root
	old.SignatureAlgorithm = x509.SHA1WithRSA
	trusted, nothing := x509.NewCertPool(), x509.NewCertPool()
	trusted.AddCert(root)
	for name, test := range map[string]struct {
		chain   []*x509.Certificate
		trusted *x509.CertPool
		want    string
	}{
		"whole":                     {[]*x509.Certificate{leaf, between}, trusted, "ok    the chain in --tls-cert leads to an authority that this machine trusts\n"},
		"whole, expired":            {[]*x509.Certificate{&expired, between}, trusted, "ok    the chain"},
		"own root":                  {[]*x509.Certificate{leaf, between, root}, nothing, "ok    the chain in --tls-cert leads to CN=root: clients must trust this authority\n"},
		"self-signed":               {[]*x509.Certificate{root}, nothing, "ok    --tls-cert is self-signed"},
		"without the intermediate":  {[]*x509.Certificate{leaf}, trusted, "warn  --tls-cert \"server.pem\" has no certificate of CN=between, which issued that of CN=server"},
		"its advice":                {[]*x509.Certificate{leaf}, trusted, "advice: append the certificate of CN=between, which is at http://ca.example.com/between.crt"},
		"of a private authority":    {[]*x509.Certificate{private}, nothing, "ok    clients must trust CN=between"},
		"short key":                 {[]*x509.Certificate{&short, between}, nothing, "warn  --tls-cert \"server.pem\": the certificate of CN=server has an RSA key of less than 2048 bits"},
		"intermediate with SHA-1":   {[]*x509.Certificate{leaf, &old, between}, nothing, "the certificate of CN=root is signed with SHA1-RSA"},
		"trusted root before SHA-1": {[]*x509.Certificate{leaf, between, root}, trusted, "ok    the chain"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			checkChain(&report{w: &b}, &config.Config{TLSCert: "server.pem"}, test.chain, test.trusted)
			if !strings.Contains(b.String(), test.want) {
				t.Errorf("%s\nwant %s", b.String(), test.want)
			}
		})
	}
}
