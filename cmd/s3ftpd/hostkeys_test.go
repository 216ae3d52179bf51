package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/sftp"
)

// privateKeys are keys in the formats of OpenSSH and openssl.
type privateKeys struct {
	ed25519, encrypted, ecdsa, ecdsaPEM, rsa, rsaPEM, short []byte
	public                                                  map[string]ssh.PublicKey // by type
}

func newPrivateKeys(t *testing.T) (k privateKeys) {
	t.Helper()
	must := func(errs ...error) {
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	_, ed, err1 := ed25519.GenerateKey(rand.Reader)
	ec, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r, err3 := rsa.GenerateKey(rand.Reader, 2048)
	short, err4 := rsa.GenerateKey(rand.Reader, 1024)
	must(err1, err2, err3, err4)
	k.public = map[string]ssh.PublicKey{}
	openssh := func(key any) []byte {
		block, err := ssh.MarshalPrivateKey(key, "")
		must(err)
		signer, err := ssh.NewSignerFromKey(key)
		must(err)
		k.public[signer.PublicKey().Type()] = signer.PublicKey()
		return pem.EncodeToMemory(block)
	}
	k.short, k.ed25519, k.ecdsa, k.rsa = openssh(short), openssh(ed), openssh(ec), openssh(r)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(ed, "", []byte("hush"))
	must(err)
	k.encrypted = pem.EncodeToMemory(block)
	der, err := x509.MarshalECPrivateKey(ec)
	must(err)
	k.ecdsaPEM = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	der, err = x509.MarshalPKCS8PrivateKey(r)
	must(err)
	k.rsaPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return k
}

// hostKeyFiles writes files with private keys, and returns a configuration with them.
func hostKeyFiles(t *testing.T, contents ...[]byte) *config.Config {
	t.Helper()
	c := &config.Config{SFTP: ":22", SFTPAlgorithms: "default"}
	dir := t.TempDir()
	for i, content := range contents {
		name := filepath.Join(dir, "key"+string(rune('0'+i)))
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c.SFTPHostKeys.Files = append(c.SFTPHostKeys.Files, name)
	}
	return c
}

// types returns the types of the present keys.
func (k *hostKeys) types() (list []string) {
	for _, s := range k.signers() {
		list = append(list, s.PublicKey().Type())
	}
	return list
}

func TestHostKeys(t *testing.T) {
	keys := newPrivateKeys(t)
	inVariable := &config.Config{SFTP: ":22", SFTPHostKeys: config.HostKeys{Text: config.Secret(string(keys.ed25519) + string(keys.rsaPEM))}}
	for name, x := range map[string]struct {
		c    *config.Config
		want string
	}{
		"OpenSSH":         {hostKeyFiles(t, keys.ed25519, keys.ecdsa, keys.rsa), "ssh-ed25519 ecdsa-sha2-nistp256 ssh-rsa"},
		"PEM":             {hostKeyFiles(t, keys.ecdsaPEM, keys.rsaPEM), "ecdsa-sha2-nistp256 ssh-rsa"},
		"all in one file": {hostKeyFiles(t, slices.Concat(keys.ed25519, keys.rsa)), "ssh-ed25519 ssh-rsa"},
		"from Windows":    {hostKeyFiles(t, []byte("\uFEFF"+strings.ReplaceAll(string(keys.ed25519), "\n", "\r\n"))), "ssh-ed25519"},
		"in the variable": {inVariable, "ssh-ed25519 ssh-rsa"},
	} {
		log := newConsole()
		k, err := openHostKeys(x.c, newLog(&config.Config{LogFormat: "json"}, log))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := log.String()
		if got := strings.Join(k.types(), " "); got != x.want || strings.Count(text, "\n") != len(k.signers()) {
			t.Errorf("%s: got %s, want %s\n%s", name, got, x.want, text)
		}
		if usable := sftp.DefaultAlgorithms.HostKeys(k.signers()); len(usable) != len(k.signers()) {
			t.Errorf("%s: the server uses only %d keys", name, len(usable))
		}
		for _, kind := range k.types() {
			if !strings.Contains(text, ssh.FingerprintSHA256(keys.public[kind])) {
				t.Errorf("%s: no fingerprint of %s in\n%s", name, kind, text)
			}
		}
		if strings.Contains(text, "PRIVATE") {
			t.Errorf("%s: the key is in\n%s", name, text)
		}
	}
	if k, err := openHostKeys(&config.Config{}, quiet); k != nil || err != nil {
		t.Errorf("without SFTP: %v, %v", k, err)
	}
}

// An error about a host key names its file, and says how to correct it.
func TestInvalidHostKeys(t *testing.T) {
	keys := newPrivateKeys(t)
	strict := func(c *config.Config) *config.Config { c.SFTPAlgorithms = "strict"; return c }
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	broken := pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("hush")})
	for name, x := range map[string]struct {
		c    *config.Config
		want string
	}{
		"encrypted": {hostKeyFiles(t, keys.encrypted),
			"is encrypted, and s3ftpd cannot ask for its passphrase; `ssh-keygen -p -N '' -f FILE` decrypts it"},
		"encrypted PKCS #8":    {hostKeyFiles(t, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})), "is encrypted"},
		"of PuTTY":             {hostKeyFiles(t, []byte("PuTTY-User-Key-File-3: ssh-ed25519\nhush")), "`puttygen OLD -O private-openssh-new -o NEW` converts it"},
		"a certificate":        {hostKeyFiles(t, certificate), "there is no private key in it, only CERTIFICATE"},
		"a public key":         {hostKeyFiles(t, ssh.MarshalAuthorizedKey(keys.public["ssh-ed25519"])), "there is no private key in it"},
		"broken":               {hostKeyFiles(t, broken), "ssh: "},
		"short":                {hostKeyFiles(t, keys.short), "is an RSA key of 1024 bits: must have at least 2048"},
		"short for strict":     {strict(hostKeyFiles(t, keys.rsa)), "is an RSA key of 2048 bits: must have at least 3072"},
		"ECDSA for strict":     {strict(hostKeyFiles(t, keys.ecdsa)), "is an ECDSA key: must be ed25519 or RSA with --sftp-algorithms strict"},
		"two of the same type": {hostKeyFiles(t, keys.ed25519, keys.ed25519), "must be of another type than the ssh-ed25519 key in --sftp-host-key"},
		"gone": {&config.Config{SFTP: ":22", SFTPHostKeys: config.HostKeys{Files: []string{"/nowhere"}}},
			`--sftp-host-key "/nowhere": no such file`},
		"broken in a variable": {&config.Config{SFTP: ":22", SFTPHostKeys: config.HostKeys{Text: "-----BEGIN hush"}},
			"S3FTPD_SFTP_HOST_KEY: there is no private key in it"},
		"one of two is invalid": {hostKeyFiles(t, keys.ed25519, keys.encrypted), "key1"},
	} {
		k, err := readHostKeys(x.c)
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, %v, want %s", name, k, err, x.want)
		}
		if len(x.c.SFTPHostKeys.Files) == 1 && !strings.Contains(err.Error(), x.c.SFTPHostKeys.Files[0]) {
			t.Errorf("%s: no file in %v", name, err)
		}
	}
}

// SIGHUP takes up new keys. Invalid ones leave the old ones, and are reported.
func TestReloadHostKeys(t *testing.T) {
	keys := newPrivateKeys(t)
	c := hostKeyFiles(t, keys.ed25519)
	synctest.Test(t, func(t *testing.T) {
		log := newConsole()
		k, err := openHostKeys(c, newLog(&config.Config{LogFormat: "json"}, log))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		hangups, done := make(chan os.Signal), make(chan bool)
		go func() { defer close(done); k.reloadOnHangup(ctx, hangups) }()
		for _, x := range []struct {
			content    []byte
			want, says string
		}{
			{keys.encrypted, "ssh-ed25519", "new host keys are invalid, keeping the current ones"},
			{keys.rsa, "ssh-rsa", ssh.FingerprintSHA256(keys.public["ssh-rsa"])},
		} {
			if err := os.WriteFile(c.SFTPHostKeys.Files[0], x.content, 0o600); err != nil {
				t.Fatal(err)
			}
			hangups <- syscall.SIGHUP
			synctest.Wait()
			if got := strings.Join(k.types(), " "); got != x.want || !strings.Contains(log.String(), x.says) {
				t.Errorf("got %s, want %s\n%s", got, x.want, log)
			}
		}
		stop()
		<-done
	})
}

// Keys that are made at the start are of all types, with a warning. SIGHUP leaves them as they are.
func TestGeneratedHostKeys(t *testing.T) {
	for algorithms, want := range map[string]string{"default": "ssh-ed25519 ecdsa-sha2-nistp256 ssh-rsa", "strict": "ssh-ed25519 ssh-rsa"} {
		log := newConsole()
		c := &config.Config{SFTP: ":22", SFTPAlgorithms: algorithms, SFTPHostKeys: config.HostKeys{Generate: true}}
		k, err := openHostKeys(c, newLog(&config.Config{LogFormat: "json"}, log))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(k.types(), " "); got != want || !strings.Contains(log.String(), `"level":"WARN"`) ||
			strings.Count(log.String(), "SHA256:") != len(k.types()) {
			t.Errorf("%s: %s\n%s", algorithms, got, log)
		}
		before := k.signers()[0]
		if k.reload(); k.signers()[0] != before {
			t.Error("SIGHUP has replaced generated keys")
		}
	}
}

// The demo keeps its keys, and nobody else can read them.
func TestOwnHostKeys(t *testing.T) {
	dir := t.TempDir()
	c := &config.Config{Dir: dir, SFTP: "127.0.0.1:2022"}
	var fingerprints []string
	for range 2 {
		c.SFTPHostKeys = config.HostKeys{}
		if err := useOwnHostKeys(c); err != nil {
			t.Fatal(err)
		}
		log := newConsole()
		k, err := openHostKeys(c, newLog(&config.Config{LogFormat: "json"}, log))
		if err != nil || strings.Contains(log.String(), "WARN") {
			t.Fatalf("%v\n%s", err, log)
		}
		for _, s := range k.signers() {
			fingerprints = append(fingerprints, ssh.FingerprintSHA256(s.PublicKey()))
		}
	}
	if half := len(fingerprints) / 2; half != 2 || !slices.Equal(fingerprints[:half], fingerprints[half:]) {
		t.Errorf("got %s", fingerprints)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

// A key that others can read is used, with a warning.
func TestHostKeyReadableByOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no permissions")
	}
	c := hostKeyFiles(t, newPrivateKeys(t).ed25519)
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o440: false, 0o644: true} {
		if err := os.Chmod(c.SFTPHostKeys.Files[0], mode); err != nil {
			t.Fatal(err)
		}
		log := newConsole()
		_, err := openHostKeys(c, newLog(&config.Config{LogFormat: "json"}, log))
		if err != nil || strings.Contains(log.String(), "other users of this machine") != warns {
			t.Errorf("%o: %v\n%s", mode, err, log)
		}
	}
}
