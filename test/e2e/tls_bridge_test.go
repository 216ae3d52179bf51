package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A tlsBridge is a bridge that speaks TLS at two addresses: after AUTH TLS, and from the first byte on.
type tlsBridge struct {
	*bridge
	implicit string
	ca       string // a file with the certificate that clients have to believe
	roots    *x509.CertPool
}

// startTLSBridge runs the program with a certificate for 127.0.0.1.
func startTLSBridge(t testing.TB, s3 *real.S3, args ...string) tlsBridge {
	t.Helper()
	cert, key := makeCertificate(t)
	b := tlsBridge{implicit: real.FreeAddr(t), ca: cert, roots: x509.NewCertPool()}
	text, err := os.ReadFile(cert)
	if err != nil || !b.roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s: %v", cert, err)
	}
	b.bridge = startBridge(t, s3, append([]string{"--ftps", b.implicit, "--tls-cert", cert, "--tls-key", key, "--log-level", "debug"}, args...)...)
	return b
}

// makeCertificate makes a certificate that vouches for itself, as people make them for a server of their own.
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

// A dataTLS is what the log says of a data connection and of the transfer on it.
type dataTLS struct {
	command string
	version string // empty = there was no TLS
	resumed bool
	code    int
}

// dataConnections returns the transfers whose names begin with home, from a place in the log on.
func (b tlsBridge) dataConnections(from int, home string) (all []dataTLS) {
	b.log.mu.Lock()
	lines := b.log.lines[from:]
	b.log.mu.Unlock()
	under := make(map[string]dataTLS) // by session
	for _, line := range lines {
		e := entry(line)
		session, _ := e["session"].(string)
		switch e["msg"] {
		case "TLS on the data connection":
			version, _ := e["version"].(string)
			resumed, _ := e["resumed"].(bool)
			under[session] = dataTLS{version: version, resumed: resumed}
		case "transfer":
			d, name, code := under[session], e["name"], e["code"]
			delete(under, session)
			if within(name, home) {
				d.command, _ = e["command"].(string)
				number, _ := code.(float64)
				d.code = int(number)
				all = append(all, d)
			}
		}
	}
	return all
}

func within(name any, home string) bool {
	s, _ := name.(string)
	rest, found := strings.CutPrefix(s, home)
	return found && (rest == "" || rest[0] == '/')
}

var tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
