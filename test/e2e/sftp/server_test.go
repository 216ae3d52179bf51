package sftp

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A server is a running s3ftpd that serves SFTP, and FTP beside it.
type server struct {
	*harness.Server
	addr string   // of SFTP
	keys keys     // of the host
	env  []string // of clients; see scripts/README.md
	user string   // the file with the user's private key
}

// start runs s3ftpd in front of an S3 server, with three host keys, and a user who logs in by password or by key.
func start(t testing.TB, s3 *real.S3, args ...string) *server {
	t.Helper()
	s := &server{addr: real.FreeAddr(t), keys: newKeys(t), user: filepath.Join(t.TempDir(), "id")}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := writeKey(t, s.user, private)
	authorized := s.user + ".pub"
	if err := os.WriteFile(authorized, ssh.MarshalAuthorizedKey(public), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.keys.env(t, s.addr), "KEY="+s.user)
	s.Server = harness.StartServer(t, s3, append([]string{"--sftp", s.addr, "--sftp-host-key", strings.Join(s.keys.files, ","),
		"--authorized-keys", authorized, "--log-level", "debug"}, args...)...)
	return s
}

// keys are the host keys of a server: Ed25519, ECDSA and RSA.
type keys struct {
	files  []string // private
	public []ssh.PublicKey
}

func newKeys(t testing.TB) (k keys) {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, private := range []any{ed, ec, r} {
		file := filepath.Join(dir, fmt.Sprint("key", i))
		k.files, k.public = append(k.files, file), append(k.public, writeKey(t, file, private))
	}
	return k
}

// writeKey writes a private key in OpenSSH's format, and returns the public one.
func writeKey(t testing.TB, file string, private any) ssh.PublicKey {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

// env returns the variables by which clients know the keys.
func (k keys) env(t testing.TB, addr string) []string {
	t.Helper()
	var known, sha256, hex []string
	for _, key := range k.public {
		known = append(known, knownhosts.Line([]string{addr}, key)+"\n")
		sha256 = append(sha256, ssh.FingerprintSHA256(key))
		hex = append(hex, fmt.Sprintf("%x", sha1.Sum(key.Marshal())))
	}
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(strings.Join(known, "")), 0o666); err != nil {
		t.Fatal(err)
	}
	return []string{"KNOWN_HOSTS=" + file, "FINGERPRINTS=" + strings.Join(sha256, " "), "SHA1_FINGERPRINTS=" + strings.Join(hex, " ")}
}
