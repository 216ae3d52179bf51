package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// newSigner returns a new key.
func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// authorized returns the line of authorized_keys for a key.
func authorized(key ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
}

var sftpListening = regexp.MustCompile(`"msg":"listening","address":"([^"]+)","protocol":"sftp"`)

// startSFTP starts a server of FTP and SFTP, and returns the addresses of both.
func startSFTP(t *testing.T, environ []string, args ...string) (r *running, ftp, sftp string) {
	t.Helper()
	awsEnvironment(t)
	r = start(t, environ, append([]string{"--ftp=127.0.0.1:0", "--sftp=127.0.0.1:0", "--endpoint=http://127.0.0.1:1", "--log-level=debug"}, args...)...)
	text := r.stderr.await(t, `"protocol":"sftp"`)
	return r, listening.FindStringSubmatch(text)[1], sftpListening.FindStringSubmatch(text)[1]
}

// sshLogin logs in through SSH, after a PROXY header unless client is empty. It returns the host key too.
func sshLogin(address, client, user string, methods ...ssh.AuthMethod) (hostKey ssh.PublicKey, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if client != "" {
		if err := textproto.NewConn(conn).PrintfLine("PROXY TCP4 %s 192.0.2.1 1025 22", client); err != nil {
			return nil, err
		}
	}
	c := &ssh.ClientConfig{User: user, Auth: methods, HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { hostKey = key; return nil }}
	loggedIn, _, _, err := ssh.NewClientConn(conn, address, c)
	if err == nil {
		loggedIn.Close()
	}
	return hostKey, err
}

// Users of a file log in through SFTP with what the file says, and through FTP with passwords.
func TestUsersOfFileThroughSFTP(t *testing.T) {
	key, other := newSigner(t), newSigner(t)
	keys := filepath.Join(t.TempDir(), "keys")
	write := func(lines ...string) {
		if err := os.WriteFile(keys, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(authorized(other))
	file := usersFileOf(t, "", `
defaults: {bucket: invoices, prefix: "{user}/"}
users:
  - {name: key, public-keys: [`+authorized(key)+`]}
  - {name: password, password: $password}
  - {name: both, password: $password, public-keys: [`+authorized(key)+`], second-factor: [password, public-key]}
  - {name: ftp, password: $password, public-keys: [`+authorized(key)+`], protocols: [ftp, ftps]}
  - {name: sftp, password: $password, protocols: [sftp]}
  - {name: elsewhere, public-keys: ['from="192.0.2.0/24" `+authorized(key)+`']}
  - {name: file, public-keys-file: `+keys+`}
`, "password")
	r, ftp, sftp := startSFTP(t, nil, "--users", file, "--sftp-host-key=generate", "--max-sessions-per-ip=100")
	byKey, byOther, byPassword, byWrong := ssh.PublicKeys(key), ssh.PublicKeys(other, key), ssh.Password("pw-password"), ssh.Password("wrong")
	var logins sync.WaitGroup // a refused password takes a second
	for user, x := range map[string]struct{ key, both, password, ftp bool }{
		"key":       {key: true, both: true},
		"password":  {both: true, password: true, ftp: true},
		"both":      {both: true},
		"ftp":       {ftp: true},
		"sftp":      {both: true, password: true},
		"elsewhere": {},
		"file":      {}, // it has the other key only
		"nobody":    {},
	} {
		for what, y := range map[string]struct {
			methods []ssh.AuthMethod
			in      bool
		}{
			"key":  {[]ssh.AuthMethod{byKey}, x.key},
			"keys": {[]ssh.AuthMethod{byOther}, x.key || user == "file"}, "password": {[]ssh.AuthMethod{byPassword}, x.password},
			"key and password": {[]ssh.AuthMethod{byKey, byPassword}, x.both}, "password and key": {[]ssh.AuthMethod{byPassword, byKey}, x.both},
			"wrong password": {[]ssh.AuthMethod{byWrong}, false}, "key and wrong password": {[]ssh.AuthMethod{byKey, byWrong}, x.key},
		} {
			logins.Go(func() {
				if _, err := sshLogin(sftp, "", user, y.methods...); (err == nil) != y.in {
					t.Errorf("%s with %s: %v", user, what, err)
				}
			})
		}
		logins.Go(func() {
			keyLogin(t, ftp, user, "pw-password", map[bool]int{true: 230, false: 530}[x.ftp])
		})
	}
	logins.Wait()
	write("# nobody")
	if _, err := sshLogin(sftp, "", "file", byOther); err == nil {
		t.Error("a removed key logs in")
	}
	write(authorized(other), authorized(key), "invalid")
	if _, err := sshLogin(sftp, "", "file", byKey); err != nil {
		t.Errorf("a new key: %v", err)
	}
	text := r.stderr.String()
	for _, want := range []string{
		`"protocol":"sftp","client":"127.0.0.1"`, `"user":"key","method":"publickey"`, `"user":"both","method":"`, `"msg":"invalid public keys are ignored"`,
		"which is not in from=", `"user":"elsewhere","method":"publickey"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// The user of the options has the keys of --authorized-keys, and SIGHUP takes up new host keys.
func TestUserOfOptionsThroughSFTP(t *testing.T) {
	key := newSigner(t)
	dir := t.TempDir()
	keys, banner := filepath.Join(dir, "authorized_keys"), filepath.Join(dir, "banner")
	hostKeys, more := newPrivateKeys(t), newPrivateKeys(t)
	c := hostKeyFiles(t, hostKeys.ed25519)
	os.WriteFile(keys, []byte(authorized(newSigner(t))), 0o600)
	os.WriteFile(banner, []byte("Authorized use only.\n"), 0o600)
	r, _, sftp := startSFTP(t, []string{"S3FTPD_PASSWORD=wonderland"}, "--user=alice", "--bucket=invoices", "--authorized-keys", keys,
		"--sftp-host-key", c.SFTPHostKeys.Files[0], "--sftp-banner", banner)
	if _, err := sshLogin(sftp, "", "alice", ssh.PublicKeys(key)); err == nil {
		t.Error("an unknown key logs in")
	}
	os.WriteFile(keys, []byte(authorized(key)), 0o600)
	if _, err := sshLogin(sftp, "", "alice", ssh.PublicKeys(key)); err != nil {
		t.Errorf("a new key: %v", err)
	}
	said := ""
	conn, err := ssh.Dial("tcp", sftp, &ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.Password("wonderland")},
		HostKeyCallback: ssh.FixedHostKey(hostKeys.public["ssh-ed25519"]), BannerCallback: func(text string) error { said += text; return nil }})
	if err != nil || said != "Authorized use only.\n" {
		t.Fatalf("%v, banner %q", err, said)
	}
	defer conn.Close()
	os.WriteFile(c.SFTPHostKeys.Files[0], more.ed25519, 0o600)
	hangUp(t)
	r.stderr.await(t, ssh.FingerprintSHA256(more.public["ssh-ed25519"]))
	got, err := sshLogin(sftp, "", "alice", ssh.PublicKeys(key))
	if err != nil || ssh.FingerprintSHA256(got) != ssh.FingerprintSHA256(more.public["ssh-ed25519"]) {
		t.Errorf("after SIGHUP: %v, %v", got, err)
	}
	if _, _, err := conn.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("a connection from before: %v", err)
	}
}

// Wrong passwords of SFTP and FTP are counted together, offered keys are not. The PROXY header says who the client is.
func TestBansThroughSFTP(t *testing.T) {
	key := newSigner(t)
	keys := filepath.Join(t.TempDir(), "authorized_keys")
	os.WriteFile(keys, []byte(authorized(key)), 0o600)
	r, ftp, sftp := startSFTP(t, []string{"S3FTPD_PASSWORD=wonderland"}, "--user=alice", "--bucket=invoices",
		"--authorized-keys", keys, "--sftp-host-key=generate",
		"--proxy-protocol-from=127.0.0.1", "--ban-after=4")
	unknown := make([]ssh.Signer, 10)
	for i := range unknown {
		unknown[i] = newSigner(t)
	}
	sshLogin(sftp, "198.51.100.66", "alice", ssh.PublicKeys(unknown...))
	if _, err := sshLogin(sftp, "198.51.100.66", "alice", ssh.PublicKeys(key)); err != nil {
		t.Errorf("after 10 unknown keys: %v", err)
	}
	failLogins(t, 3, ftp, "198.51.100.67", "alice")
	if _, err := sshLogin(sftp, "198.51.100.67", "alice", ssh.Password("wrong")); err == nil {
		t.Error("a wrong password logs in")
	}
	expect(t, through(t, ftp, "198.51.100.67"), "", 421)
	if _, err := sshLogin(sftp, "198.51.100.67", "alice", ssh.PublicKeys(key)); err == nil {
		t.Error("a banned client logs in")
	}
	if _, err := sshLogin(sftp, "198.51.100.68", "alice", ssh.Password("wonderland")); err != nil {
		t.Errorf("another client: %v", err)
	}
	r.stderr.await(t, `"address":"198.51.100.67/32"`)
}

// Without FTP there is SFTP alone.
func TestSFTPAlone(t *testing.T) {
	awsEnvironment(t)
	r := start(t, []string{"S3FTPD_PASSWORD=wonderland", "S3FTPD_SFTP_HOST_KEY=" + string(newPrivateKeys(t).ed25519)},
		"--user=alice", "--bucket=invoices", "--endpoint=http://127.0.0.1:1", "--ftp=", "--sftp=127.0.0.1:0")
	address := sftpListening.FindStringSubmatch(r.stderr.await(t, `"protocol":"sftp"`))[1]
	if _, err := sshLogin(address, "", "alice", ssh.Password("wonderland")); err != nil {
		t.Error(err)
	}
	if text := r.stderr.String(); strings.Contains(text, "PRIVATE KEY") || strings.Count(text, `"msg":"listening"`) != 1 {
		t.Error(text)
	}
}
