package bench

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// newKey returns a private key, and writes it to a file for servers.
func newKey(b testing.TB, name string) ssh.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		b.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		b.Fatal(err)
	}
	return signer
}

// awaitSFTP connects to a server that has just been started, and logs in.
func awaitSFTP(b testing.TB, addr string, a account, with ssh.AuthMethod) (*sftpClient, error) {
	return await(func() (*sftpClient, error) { return connectSFTPWith(b, addr, a, with) })
}

// minioSFTP is the SFTP server of MinIO itself, which shows buckets as directories. It has no process of its own.
func minioSFTP(b testing.TB, s service) subject {
	a := account{user: s.AccessKey, password: s.SecretKey, root: "/" + harness.BucketName + "/"}
	return subject{name: "MinIO --sftp", connect: func() (client, error) { return awaitSFTP(b, s.sftp, a, ssh.Password(a.password)) }}
}

// sshdConfig is for logins with a key, without the checks of files that a temporary directory fails.
const sshdConfig = `ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
`

// startOpenSSH starts OpenSSH's server on files in memory: the ceiling without S3. It has processes for each session, whose CPU time
// is measured.
func startOpenSSH(b testing.TB, w workload) (subject, error) {
	const name = "OpenSSH on tmpfs"
	program, err := exec.LookPath("sshd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/sshd"); err != nil {
			return subject{}, fmt.Errorf("%s: %w; the package openssh-server has it", name, err)
		}
	}
	dir, err := os.MkdirTemp("/dev/shm", "s3ftpd-bench-")
	if err != nil {
		return subject{}, fmt.Errorf("%s: %w", name, err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := w.fill(dir); err != nil {
		return subject{}, fmt.Errorf("%s: %w", name, err)
	}
	if os.Geteuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // for its separation of privileges
	}
	me, err := user.Current()
	if err != nil {
		return subject{}, fmt.Errorf("%s: %w", name, err)
	}
	key := newKey(b, filepath.Join(dir, "client"))
	newKey(b, filepath.Join(dir, "host"))
	addr, keys, config := real.FreeAddr(b), filepath.Join(dir, "authorized_keys"), filepath.Join(dir, "sshd_config")
	text := fmt.Sprintf(sshdConfig, addr, filepath.Join(dir, "host"), keys)
	if err := errors.Join(os.WriteFile(keys, ssh.MarshalAuthorizedKey(key.PublicKey()), 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return subject{}, fmt.Errorf("%s: %w", name, err)
	}
	cmd := exec.Command(program, "-D", "-e", "-f", config)
	real.Start(b, cmd)
	a := account{user: me.Username, root: filepath.Join(dir, "root") + "/", key: filepath.Join(dir, "client")}
	if _, err := awaitSFTP(b, addr, a, ssh.PublicKeys(key)); err != nil {
		return subject{}, fmt.Errorf("%s cannot run here: %w", name, err)
	}
	return subject{name: name, process: harness.Process(cmd.Process.Pid), tree: true, connect: func() (client, error) {
		return awaitSFTP(b, addr, a, ssh.PublicKeys(key))
	}}, nil
}

// command returns the command of rclone serve for the workload.
func (w workload) rcloneCommand() string {
	if w.SFTP {
		return "sftp"
	}
	return "ftp"
}

// flagsOfMinIO are the options of MinIO's SFTP server.
func flagsOfMinIO(b testing.TB, addr string) []string {
	key := filepath.Join(b.TempDir(), "host")
	newKey(b, key)
	return []string{"--sftp=address=" + strings.TrimPrefix(addr, "127.0.0.1"), "--sftp=ssh-private-key=" + key}
}
