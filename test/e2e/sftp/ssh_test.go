package sftp

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// sftp runs commands of OpenSSH's sftp with a private key.
func (s *server) sftp(t *testing.T, key, commands string, options ...string) (string, error) {
	t.Helper()
	u := s.upload(t, s.addr, "", "")
	u.key = key
	args := append([]string{"sftp", "-b", "-", "-P", u.port}, options...)
	return harness.Try(t, t.TempDir(), commands, append(append(args, u.sshOptions()...), u.target(""))...)
}

// keygen runs ssh-keygen.
func keygen(t *testing.T, args ...string) {
	t.Helper()
	harness.Run(t, t.TempDir(), "", append([]string{"ssh-keygen", "-q"}, args...)...)
}

// makeKey makes a private key, and returns its file.
func makeKey(t *testing.T, kind string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "id")
	keygen(t, "-t", kind, "-N", "", "-f", file)
	return file
}

// TestUserCertificates: certificates of ssh-keygen log in with OpenSSH's client if they are the user's, valid here and now, and of the
// authority. The log says why others are refused.
func TestUserCertificates(t *testing.T) {
	real.Client(t, "sftp")
	s3 := real.MinIO(t)
	harness.NewBucket(t, s3)
	ca, other := makeKey(t, "ed25519"), makeKey(t, "ed25519")
	trusted := filepath.Join(t.TempDir(), "ca.pub")
	copyFile(t, ca+".pub", trusted)
	s := start(t, s3, "--sftp-user-ca", trusted)
	const valid, principal = "-V -5m:+1h", " -n " + harness.User
	for name, x := range map[string]struct{ kind, authority, options, refused string }{
		"good":                   {"ed25519", ca, valid + principal, ""},
		"RSA":                    {"rsa", ca, valid + principal, ""},
		"ECDSA":                  {"ecdsa", ca, valid + principal, ""},
		"of this address":        {"ed25519", ca, valid + principal + " -O source-address=127.0.0.0/8,192.0.2.1", ""},
		"of another address":     {"ed25519", ca, valid + principal + " -O source-address=192.0.2.0/24", "not in source-address"},
		"of another user":        {"ed25519", ca, valid + " -n other", "not in the set of valid principals"},
		"of no user":             {"ed25519", ca, valid, "no principals"},
		"expired":                {"ed25519", ca, "-V -2h:-1h" + principal, "expired"},
		"not yet valid":          {"ed25519", ca, "-V +1h:+2h" + principal, "not yet valid"},
		"with a command":         {"ed25519", ca, valid + principal + " -O force-command=internal-sftp", `"force-command"`},
		"with an unknown option": {"ed25519", ca, valid + principal + " -O critical:x@example.com=y", `"x@example.com"`},
		"of another authority":   {"ed25519", other, valid + principal, "another authority"},
		"of a host":              {"ed25519", ca, valid + principal + " -h", "not a public key of the user"}, // the client offers only the key in it
	} {
		t.Run(name, func(t *testing.T) {
			key := makeKey(t, x.kind)
			keygen(t, append(append([]string{"-s", x.authority, "-I", "the laptop", "-z", "7"}, strings.Fields(x.options)...), key+".pub")...)
			mark := s.Log.Mark()
			out, err := s.sftp(t, key, "ls\n", "-o", "BatchMode=yes", "-o", "CertificateFile="+key+"-cert.pub")
			if x.refused == "" {
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if e := s.Log.AwaitFrom(t, mark, "login"); !strings.HasPrefix(text(e["certificate"]), `certificate "the laptop", serial 7, of SHA256:`) {
					t.Errorf("the login is logged as %v", e)
				}
				return
			}
			if err == nil {
				t.Fatalf("accepted: %s", out)
			}
			if e := s.Log.AwaitFrom(t, mark, "login refused"); !strings.Contains(text(e["err"]), x.refused) {
				t.Errorf("the refusal is logged as %v", e["err"])
			}
		})
	}
	t.Run("of a removed authority", func(t *testing.T) {
		key := makeKey(t, "ed25519")
		keygen(t, "-s", ca, "-I", "x", "-n", harness.User, key+".pub")
		if out, err := s.sftp(t, key, "ls\n", "-o", "BatchMode=yes"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		copyFile(t, other+".pub", trusted)
		if out, err := s.sftp(t, key, "ls\n", "-o", "BatchMode=yes"); err == nil {
			t.Errorf("accepted: %s", out)
		}
	})
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestLegacyAlgorithms: OpenSSH's client with an old device's algorithms, all of them and each alone, uploads with legacy, which is
// logged. By default none of them logs in.
func TestLegacyAlgorithms(t *testing.T) {
	real.Client(t, "sftp")
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	key := makeKey(t, "rsa")
	legacy := start(t, s3, "--sftp-algorithms", "legacy", "--authorized-keys", key+".pub")
	standard := start(t, s3, "--authorized-keys", key+".pub")
	local := filepath.Join(t.TempDir(), "file")
	sum := harness.MakeFile(t, local, 3*harness.MiB)
	device := []string{"KexAlgorithms=diffie-hellman-group14-sha1", "HostKeyAlgorithms=ssh-rsa", "Ciphers=aes128-cbc", "MACs=hmac-sha1",
		"PubkeyAcceptedAlgorithms=ssh-rsa"}
	cases := map[string][]string{"all": device}
	for _, option := range device {
		cases[option] = []string{option}
	}
	cases["MACs=hmac-sha1"] = []string{"MACs=hmac-sha1", "Ciphers=aes128-ctr"} // AES-GCM needs no MAC
	for name, options := range cases {
		t.Run(name, func(t *testing.T) {
			args := []string{"-o", "BatchMode=yes"}
			for _, option := range options {
				args = append(args, "-o", option)
			}
			file, mark := strings.ReplaceAll(name, "=", "-"), legacy.Log.Mark()
			if out, err := legacy.sftp(t, key, "put "+local+" "+file+"\n", args...); err != nil || bucket.Sum(file) != sum {
				t.Fatalf("with legacy: %v: %s", err, out)
			}
			used := ""
			for _, e := range legacy.Log.Entries(mark, "legacy SSH") {
				used += text(e["algorithms"]) + ", "
			}
			for _, option := range options {
				_, algorithm, _ := strings.Cut(option, "=")
				if algorithm != "aes128-ctr" && !strings.Contains(used, algorithm) {
					t.Errorf("the log has %q, without %s", used, algorithm)
				}
			}
			if out, err := standard.sftp(t, key, "ls\n", args...); err == nil {
				t.Errorf("by default it logs in too: %s", out)
			}
		})
	}
}

// TestBanner: OpenSSH's client shows the banner before the login.
func TestBanner(t *testing.T) {
	real.Client(t, "sftp")
	s3 := real.MinIO(t)
	harness.NewBucket(t, s3)
	banner := filepath.Join(t.TempDir(), "banner")
	if err := os.WriteFile(banner, []byte("Authorized use only.\nGrüße\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, s3, "--sftp-banner", banner)
	out, err := s.sftp(t, makeKey(t, "ed25519"), "ls\n", "-o", "BatchMode=yes", "-o", "LogLevel=INFO")
	if err == nil || !strings.Contains(out, "Authorized use only.") || !strings.Contains(out, "Permission denied") {
		t.Errorf("a client that does not log in shows %q, %v", out, err)
	}
}

// TestHostKeyRenewed: after SIGHUP new connections see the new key, and a session goes on, in the middle of a file. A file that is no key
// changes nothing.
func TestHostKeyRenewed(t *testing.T) {
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	file := filepath.Join(t.TempDir(), "host")
	renew := func() ssh.PublicKey {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return writeKey(t, file, private)
	}
	old := renew()
	s := start(t, s3, "--sftp-host-key", file)
	check := func(want ssh.PublicKey) {
		t.Helper()
		var got ssh.PublicKey
		c, err := ssh.Dial("tcp", s.addr, &ssh.ClientConfig{
			User: harness.User, Auth: []ssh.AuthMethod{ssh.Password(harness.Password)},
			HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { got = key; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if string(got.Marshal()) != string(want.Marshal()) {
			t.Errorf("the key is %s, want %s", ssh.FingerprintSHA256(got), ssh.FingerprintSHA256(want))
		}
	}
	check(old)
	c, err := harness.DialSFTP(s.addr, harness.User, ssh.Password(harness.Password))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	handle, err := c.Handle(harness.SFTPOpen, "f", harness.SFTPForWrite|harness.SFTPCreate|harness.SFTPTruncate, 0)
	if err == nil {
		err = c.Do(harness.SFTPWrite, handle, int64(0), []byte("before "))
	}
	if err != nil {
		t.Fatal(err)
	}
	now, mark := renew(), s.Log.Mark()
	s.Cmd.Process.Signal(syscall.SIGHUP)
	s.Log.AwaitFrom(t, mark, "host key", "fingerprint="+ssh.FingerprintSHA256(now))
	check(now)
	if err := os.WriteFile(file, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Cmd.Process.Signal(syscall.SIGHUP)
	s.Log.AwaitFrom(t, mark, "new host keys are invalid, keeping the current ones")
	check(now)
	if err = c.Do(harness.SFTPWrite, handle, int64(7), []byte("and after")); err == nil {
		err = c.Do(harness.SFTPClose, handle)
	}
	if err != nil {
		t.Fatal("the session does not go on: ", err)
	}
	want := filepath.Join(t.TempDir(), "want")
	if err := os.WriteFile(want, []byte("before and after"), 0o600); err != nil {
		t.Fatal(err)
	}
	if bucket.Sum("f") != harness.SumFile(t, want) {
		t.Error("the file has another content")
	}
}
