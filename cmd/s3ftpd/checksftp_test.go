package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// check reports the host keys and the users' keys, and has no checks of FTP without FTP.
func TestCheckSFTP(t *testing.T) {
	endpoint := checkable(t)
	keys := newPrivateKeys(t)
	files := hostKeyFiles(t, keys.ed25519, keys.rsa, keys.encrypted).SFTPHostKeys.Files
	ed, rsa, encrypted := files[0], files[1], files[2]
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, keys.ed25519, 0o644); err != nil {
		t.Fatal(err)
	}
	authorized := filepath.Join(t.TempDir(), "authorized_keys")
	if err := os.WriteFile(authorized, ssh.MarshalAuthorizedKey(keys.public["ssh-ed25519"]), 0o600); err != nil {
		t.Fatal(err)
	}
	free := real.FreeAddr(t)
	for name, x := range map[string]struct {
		args []string
		fail bool
		says []string
	}{
		"good": {[]string{"--sftp=" + free, "--sftp-host-key=" + ed + "," + rsa, "--authorized-keys=" + authorized}, false, []string{
			"ok    --sftp " + free + " can be listened on\n",
			`ok    --sftp-host-key "` + ed + `": ssh-ed25519 key, fingerprint ` + ssh.FingerprintSHA256(keys.public["ssh-ed25519"]) + "\n",
			`ok    --sftp-host-key "` + rsa + `": ssh-rsa key`, `ok    1 public keys in --authorized-keys "` + authorized + `" log alice in`, "ok    PASV (227)"}},
		"authorities": {[]string{"--sftp=" + free, "--sftp-host-key=" + ed, "--sftp-user-ca=" + authorized}, false, []string{
			`ok    --sftp-user-ca "` + authorized + `": certificates of ` + ssh.FingerprintSHA256(keys.public["ssh-ed25519"]) + " log in the users"}},
		"no authorities": {[]string{"--sftp=" + free, "--sftp-host-key=" + ed, "--sftp-user-ca=/nowhere"}, true,
			[]string{`--sftp-user-ca "/nowhere": `}},
		"alone":     {[]string{"--ftp=", "--sftp=" + free, "--sftp-host-key=" + ed}, false, []string{"ok    --sftp " + free}},
		"encrypted": {[]string{"--sftp=" + free, "--sftp-host-key=" + encrypted}, true, []string{`FAIL  --sftp-host-key "` + encrypted + `": is encrypted`}},
		"generate": {[]string{"--sftp=" + free, "--sftp-host-key=generate"}, false,
			[]string{"warn  host keys are made at each start", "advice: make a key with `ssh-keygen"}},
		"open": {[]string{"--sftp=" + free, "--sftp-host-key=" + open}, false,
			[]string{"warn  other users of this machine can read --sftp-host-key", "advice: chmod 600 " + open}},
		"legacy": {[]string{"--sftp=" + free, "--sftp-host-key=" + ed, "--sftp-algorithms=legacy"}, false,
			[]string{"warn  the only host key is of the type ed25519"}},
		"taken": {[]string{"--sftp=" + taken(t), "--sftp-host-key=" + ed}, true, []string{"FAIL  --sftp", "advice: stop the program that uses the port"}},
	} {
		code, _, text := checked(t, checkArgs(endpoint, x.args...))
		for _, says := range x.says {
			if (code != 0) != x.fail || !strings.Contains(text, says) {
				t.Errorf("%s: %d, without %q:\n%s", name, code, says, text)
			}
		}
		if name == "alone" && (strings.Contains(text, "passive") || strings.Contains(text, "PASV") || strings.Contains(text, "in clear")) {
			t.Errorf("without FTP there are checks of it:\n%s", text)
		}
	}
}
