package harness

import (
	"github.com/s3ftpd/s3ftpd/test/real"

	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A TLSServer is a Server with explicit TLS at Addr and implicit TLS at Implicit.
type TLSServer struct {
	*Server
	Implicit string
	CA       string // a file with the certificate that clients must trust
	Roots    *x509.CertPool
}

// StartTLSServer runs s3ftpd with a certificate for 127.0.0.1.
func StartTLSServer(t testing.TB, s3 *real.S3, args ...string) TLSServer {
	t.Helper()
	cert, key := makeCertificate(t)
	b := TLSServer{Implicit: real.FreeAddr(t), CA: cert, Roots: x509.NewCertPool()}
	text, err := os.ReadFile(cert)
	if err != nil || !b.Roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s: %v", cert, err)
	}
	b.Server = StartServer(t, s3, append([]string{"--ftps", b.Implicit, "--tls-cert", cert, "--tls-key", key, "--log-level", "debug"}, args...)...)
	return b
}

// makeCertificate makes a self-signed certificate for 127.0.0.1.
func makeCertificate(t testing.TB) (cert, key string) {
	t.Helper()
	made := real.Issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "s3ftpd test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, nil)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, text := range map[string][]byte{cert: made.Cert, key: made.Key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TLSVersions are the versions that tests go through.
var TLSVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
