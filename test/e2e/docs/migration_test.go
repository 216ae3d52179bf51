package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// write writes a file in the directory of the place.
func (p place) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// logsIn reports whether a user can store a file.
func (p place) logsIn(t *testing.T, user, password string) bool {
	t.Helper()
	_, err := harness.Try(t, harness.Root, "", "curl", "-sS", "-u", user+":"+password, "-T", "README.md", "ftp://"+p.ftp+"/stored")
	return err == nil
}

// TestFromSFTPGo runs the example of docs/from-sftpgo.md.
func TestFromSFTPGo(t *testing.T) {
	real.Client(t, "curl")
	commands := readCommands(t)
	server, bucket := invoices(t)
	p := newPlace(t, server, t.TempDir())
	p.write(t, "backup.json", textBlock(t, "from-sftpgo.md", "sftpgo backup"))
	p.inDir(t, commands.get(t, "import sftpgo"))
	text, err := os.ReadFile(filepath.Join(p.dir, "users.yaml"))
	if want := textBlock(t, "from-sftpgo.md", "sftpgo users"); err != nil || string(text) != want {
		t.Errorf("%v; the users file is\n%swant\n%s", err, text, want)
	}
	t.Run("imported", func(t *testing.T) {
		p.serveInDir(t, commands.get(t, "sftpgo server"))
		if !p.logsIn(t, "alice", "secret") || p.logsIn(t, "bob", "a new password") {
			t.Error("alice cannot log in, or bob can")
		}
	})
	p.inDir(t, commands.get(t, "sftpgo password"))
	t.Run("with passwords", func(t *testing.T) {
		p.serveInDir(t, commands.get(t, "sftpgo server"))
		if !p.logsIn(t, "bob", "a new password") {
			t.Error("bob cannot log in")
		}
	})
	for _, key := range []string{"customers/alice/stored", "customers/bob/stored"} {
		if bucket.Sum(key) == "absent" {
			t.Errorf("%s is not in S3", key)
		}
	}
}

// TestFromVsftpd runs the commands of docs/from-vsftpd.md.
func TestFromVsftpd(t *testing.T) {
	for _, p := range []string{"curl", "openssl"} {
		real.Client(t, p)
	}
	commands := readCommands(t)
	server, bucket := invoices(t)
	serve := strings.Replace(commands.get(t, "ten users minio"), "--bucket invoices ", "--bucket invoices --prefix x ", 1) // overridden
	t.Run("pam_userdb", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.write(t, "logins.txt", textBlock(t, "from-vsftpd.md", "vsftpd users"))
		if list := p.inDir(t, commands.get(t, "vsftpd users")); !strings.Contains(list, "invoices/ftp/alice/") {
			t.Errorf("the users are\n%s", list)
		}
		p.serveInDir(t, serve)
		if !p.logsIn(t, "alice", "secret") || !p.logsIn(t, "bob", "correct horse") || p.logsIn(t, "bob", "secret") {
			t.Error("the passwords are not those of the list")
		}
	})
	t.Run("pam_pwdfile", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.write(t, "vsftpd.passwd", "carol:"+harness.Run(t, p.dir, "", "openssl", "passwd", "-6", "secret"))
		p.inDir(t, commands.get(t, "htpasswd users"))
		p.serveInDir(t, serve)
		if !p.logsIn(t, "carol", "secret") {
			t.Error("carol cannot log in")
		}
	})
	t.Run("AuthUserFile", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.write(t, "ftpd.passwd", textBlock(t, "from-vsftpd.md", "proftpd users"))
		p.inDir(t, commands.get(t, "proftpd users"))
		if list := p.inDir(t, commands.get(t, "proftpd password")); !strings.HasSuffix(list, "  disabled\n") {
			t.Errorf("bob is not disabled:\n%s", list)
		}
		p.inDir(t, "sed -i '/disabled: true/d' users.yaml")
		p.serveInDir(t, serve)
		if !p.logsIn(t, "alice", "secret") || !p.logsIn(t, "bob", "a new password") {
			t.Error("alice or bob cannot log in")
		}
	})
	for _, key := range []string{"ftp/alice/stored", "ftp/bob/stored", "carol/stored"} {
		if bucket.Sum(key) == "absent" {
			t.Errorf("%s is not in S3", key)
		}
	}
}

// TestFromTransferFamily: the users file of docs/from-transfer-family.md has the directories of the example, apart from the role.
func TestFromTransferFamily(t *testing.T) {
	real.Client(t, "curl")
	commands := readCommands(t)
	server, bucket := invoices(t)
	other := bucket
	other.Name = "reports"
	other.Create()
	other.Put("bob/2026.pdf", "x")
	p := newPlace(t, server, t.TempDir())
	const role = "  s3: {role-arn: 'arn:aws:iam::123456789012:role/ftp-customers'}\n"
	text := textBlock(t, "from-transfer-family.md", "users: transfer family")
	p.write(t, "users.yaml", strings.Replace(text, role, "", 1))
	if list := p.inDir(t, commands.get(t, "transfer family")); !strings.Contains(list, "/in = invoices/customers/alice/in/") || !strings.Contains(text, role) {
		t.Errorf("the users are\n%s", list)
	}
	p.serveInDir(t, commands.get(t, "ten users minio"))
	user := "curl -sS -u 'bob:a password for bob' "
	if out := p.run(t, user+"ftp://127.0.0.1:2121/"); strings.Count(out, "\n") != 2 || !strings.Contains(out, " in") {
		t.Errorf("bob sees\n%s", out)
	}
	p.run(t, user+"-T README.md ftp://127.0.0.1:2121/in/a")
	if out := p.run(t, user+"ftp://127.0.0.1:2121/reports/2026.pdf"); out != "x" || bucket.Sum("customers/bob/in/a") == "absent" {
		t.Errorf("the report is %q, or the upload is missing", out)
	}
}
