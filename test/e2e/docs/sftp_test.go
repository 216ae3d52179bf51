package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// sshPrograms are the programs of OpenSSH that the commands need.
var sshPrograms = []string{"sftp", "scp", "ssh-keygen"}

// TestSFTPDoc runs the commands of docs/sftp.md.
func TestSFTPDoc(t *testing.T) {
	for _, p := range sshPrograms {
		real.Client(t, p)
	}
	commands := readCommands(t)
	server, bucket := invoices(t)
	p := newPlace(t, server, t.TempDir())
	p.inDir(t, commands.get(t, "sftp keys"))
	p.serveInDir(t, commands.get(t, "sftp server"))
	client := commands.get(t, "sftp client")
	p.inDir(t, client)
	if got := bucket.Sum("hello.txt"); got == "absent" {
		t.Error("the file is not in S3")
	}
	p.inDir(t, commands.get(t, "sftp scp"))
	hello := harness.SumFile(t, filepath.Join(p.dir, "hello.txt"))
	for _, name := range []string{"hello.txt", "copy.txt"} {
		if got := bucket.Sum(name); got != hello {
			t.Errorf("%s in S3 is %s, want %s", name, got, hello)
		}
		if got := harness.SumFile(t, filepath.Join(p.dir, "fetched", name)); got != hello {
			t.Errorf("%s by scp is %s, want %s", name, got, hello)
		}
	}
	harness.Run(t, p.dir, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "other_key")
	other := strings.Replace(client, "-i alice_key", "-o IdentitiesOnly=yes -i other_key", 1)
	if out, err := harness.Try(t, p.dir, "", "sh", "-ec", p.here.Replace(other)); err == nil {
		t.Errorf("another key logs in: %s", out)
	}
	p.write(t, "s3ftpd_host_key.pub", strings.TrimSpace(harness.Run(t, p.dir, "", "cat", "other_key.pub")))
	if out, err := harness.Try(t, p.dir, "", "sh", "-ec", p.here.Replace(client)); err == nil {
		t.Errorf("a client that knows another host key connects: %s", out)
	}
}

// TestFromOpenSSH runs the commands of docs/from-openssh.md.
func TestFromOpenSSH(t *testing.T) {
	for _, p := range sshPrograms {
		real.Client(t, p)
	}
	commands := readCommands(t)
	server, bucket := invoices(t)
	p := newPlace(t, server, t.TempDir())
	keys := filepath.Join(p.dir, "authorized_keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob", "ssh_host_ed25519_key"} {
		harness.Run(t, p.dir, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
	}
	for _, name := range []string{"alice", "bob"} {
		p.write(t, filepath.Join("authorized_keys", name), "restrict "+harness.Run(t, p.dir, "", "cat", name+".pub"))
	}
	list := p.inDir(t, strings.ReplaceAll(commands.get(t, "openssh users"), "/etc/ssh/authorized_keys", keys))
	if !strings.Contains(list, "invoices/sftp/alice/") || strings.Count(list, "keys file") != 2 {
		t.Errorf("the users are\n%s", list)
	}
	p.serveInDir(t, commands.get(t, "openssh server"))
	p.inDir(t, `echo "[127.0.0.1]:2022 $(cat ssh_host_ed25519_key.pub)" > known_hosts
echo 'put bob.pub' | sftp -b - -P 2022 -i bob -o UserKnownHostsFile=known_hosts bob@127.0.0.1`)
	if got := bucket.Sum("sftp/bob/in/bob.pub"); got == "absent" {
		t.Error("the file of bob is not in his directory")
	}
	out, err := harness.Try(t, p.dir, "", "sftp", "-b", "/dev/null", "-P", port(p.sftp), "-i", "bob", "-o", "UserKnownHostsFile=known_hosts", "alice@127.0.0.1")
	if err == nil {
		t.Errorf("bob logs in as alice: %s", out)
	}
}

// TestTransferFamilyKeys runs the command of docs/from-transfer-family.md that makes a users file of keys.
func TestTransferFamilyKeys(t *testing.T) {
	real.Client(t, "jq")
	commands := readCommands(t)
	p := newPlace(t, &real.S3{}, t.TempDir())
	described := textBlock(t, "from-transfer-family.md", "transfer family described")
	p.write(t, "described.json", described+strings.NewReplacer("/customers/carol", "", "carol", "dave").Replace(described))
	list := p.inDir(t, commands.get(t, "transfer family keys"))
	if !strings.Contains(list, "invoices/customers/carol/") || !strings.Contains(list, "dave   invoices/ ") ||
		strings.Count(list, "key SHA256:9tPR2PcZ2m1zLV6s1TQuCtD8syi+RxrF5uoUJJgMWow") != 2 {
		t.Errorf("the users are\n%s", list)
	}
}
