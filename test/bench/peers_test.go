package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// peers returns the servers of others that can run the workload. A server whose program is missing is logged.
func (w workload) peers(b *testing.B, s service) (all []subject) {
	starts := []func() (subject, error){func() (subject, error) { return startRclone(b, s.S3, w) }}
	switch {
	case w.SFTP && w.Service == "null":
		starts = append(starts, func() (subject, error) { return startOpenSSH(b, w) })
	case w.SFTP && w.Service == "minio":
		starts = append(starts, func() (subject, error) { return minioSFTP(b, s), nil })
	case w.SFTP:
	case w.Service == "minio":
		if w.Connections > 1 && w.Size > harness.MiB {
			b.Log("not measured: MinIO --ftp, which takes 12 GiB of memory for 16 files at a time")
			break
		}
		starts = append(starts, func() (subject, error) { return minioFTP(b, s), nil })
	case w.Service == "null":
		starts = append(starts, func() (subject, error) { return startVsftpd(b, w) })
	}
	for _, start := range starts {
		peer, err := start()
		if err != nil {
			b.Logf("not measured: %v", err)
			continue
		}
		peer.peer = true
		all = append(all, peer)
	}
	return all
}

// minioFTP is the FTP server of MinIO itself, which shows buckets as directories. It has no process of its own.
func minioFTP(b testing.TB, s service) subject {
	a := account{user: s.AccessKey, password: s.SecretKey, root: "/" + harness.BucketName + "/"}
	return subject{name: "MinIO --ftp", connect: func() (client, error) { return awaitFTP(b, s.ftp, a) }}
}

// rcloneProgram returns an rclone that has this command of serve. The rclone of an earlier test/all lacks it.
func rcloneProgram(command string) (string, error) {
	program, err := real.FindRclone()
	if err == nil {
		err = exec.Command(program, "serve", command, "--help").Run()
	}
	if err != nil {
		return "", fmt.Errorf("rclone serve %s: %w; test/all builds rclone", command, err)
	}
	return program, nil
}

// startRclone starts rclone serve ftp or sftp with its defaults. For listings it has no cache of directories, because the listings of
// other subjects come from S3 too.
func startRclone(b testing.TB, s3 *real.S3, w workload) (subject, error) {
	command := w.rcloneCommand()
	program, err := rcloneProgram(command)
	if err != nil {
		return subject{}, err
	}
	provider := "Minio"
	if w.Service == "null" {
		provider = "Other"
	}
	addr := real.FreeAddr(b)
	remote := fmt.Sprintf(":s3,provider=%s,list_version=2,no_check_bucket=true,access_key_id=%s,secret_access_key=%s,region=%s,endpoint=\"%s\":%s",
		provider, s3.AccessKey, s3.SecretKey, s3.Region, s3.Endpoint, harness.BucketName)
	cmd := exec.Command(program, "serve", command, "--config=", "--addr", addr, "--user", harness.User, "--pass", harness.Password, remote)
	if w.isList() {
		cmd.Args = append(cmd.Args, "--dir-cache-time=0")
	}
	cmd.Env = append(os.Environ(), s3.Env()...)
	real.Start(b, cmd)
	return subject{name: "rclone serve " + command, process: harness.Process(cmd.Process.Pid), connect: func() (client, error) {
		if w.SFTP {
			return awaitSFTP(b, addr, ours, ssh.Password(ours.password))
		}
		c, err := awaitFTP(b, addr, ours)
		if err == nil && w.Kind == "put" {
			err = c.makeDir("bench")
		}
		return c, err
	}}, nil
}

// makeDir makes a directory, which may exist.
func (c *ftpClient) makeDir(name string) error {
	_, err := c.conn.Cmd("MKD %s", name)
	if err == nil {
		_, _, err = c.conn.ReadResponse(0)
	}
	return err
}

// await calls connect until a server that has just been started accepts connections, for 30 s.
func await[C client](connect func() (C, error)) (C, error) {
	end := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := connect()
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return c, err
		}
		select {
		case <-tick.C:
		case <-end:
			return c, err
		}
	}
}

// awaitFTP connects to a server that has just been started, and logs in.
func awaitFTP(b testing.TB, addr string, a account) (*ftpClient, error) {
	return await(func() (*ftpClient, error) { return connectFTP(b, addr, a, false) })
}

// vsftpdConfig lets an anonymous user store files. The server has no sandbox, which containers may not allow.
const vsftpdConfig = `listen=YES
listen_address=127.0.0.1
background=NO
anonymous_enable=YES
local_enable=NO
no_anon_password=YES
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_umask=022
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
xferlog_enable=NO
`

// startVsftpd starts vsftpd on files in memory: the ceiling, an FTP server in C without S3. It has a process for each session,
// whose CPU time is measured.
func startVsftpd(b testing.TB, w workload) (subject, error) {
	program, err := exec.LookPath("vsftpd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/vsftpd"); err != nil {
			return subject{}, fmt.Errorf("vsftpd on tmpfs: %w; the package vsftpd has it", err)
		}
	}
	dir, err := os.MkdirTemp("/dev/shm", "s3ftpd-bench-")
	if err != nil {
		return subject{}, fmt.Errorf("vsftpd on tmpfs: %w", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := w.fill(dir); err != nil {
		return subject{}, fmt.Errorf("vsftpd on tmpfs: %w", err)
	}
	addr := real.FreeAddr(b)
	config := fmt.Sprintf("%slisten_port=%s\nanon_root=%s\nsecure_chroot_dir=%s\n", vsftpdConfig, addr[strings.LastIndexByte(addr, ':')+1:],
		filepath.Join(dir, "root"), filepath.Join(dir, "empty"))
	if os.Geteuid() != 0 {
		config += "run_as_launching_user=YES\n"
	}
	name := filepath.Join(dir, "vsftpd.conf")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		return subject{}, fmt.Errorf("vsftpd on tmpfs: %w", err)
	}
	cmd := exec.Command(program, name)
	real.Start(b, cmd)
	if _, err := awaitFTP(b, addr, account{user: "anonymous"}); err != nil {
		return subject{}, fmt.Errorf("vsftpd on tmpfs cannot run here: %w", err)
	}
	return subject{name: "vsftpd on tmpfs", process: harness.Process(cmd.Process.Pid), tree: true, connect: func() (client, error) {
		return awaitFTP(b, addr, account{user: "anonymous"})
	}}, nil
}

// fill makes the directories of vsftpd, and the files that the workload reads or lists.
func (w workload) fill(dir string) error {
	root := filepath.Join(dir, "root")
	for _, name := range []string{filepath.Join(dir, "empty"), filepath.Join(root, "bench"), filepath.Join(root, w.dir())} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			return err
		}
	}
	// any user may write in bench, and the others may be entered
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Join(root, "bench"), 0o777)); err != nil {
		return err
	}
	var names []string
	switch {
	case w.isList():
		names = w.entries()
	case w.Kind == "get":
		for i := range w.Files {
			names = append(names, w.file(i))
		}
	}
	for _, name := range names {
		f, err := os.Create(filepath.Join(root, name))
		if err != nil {
			return err
		}
		_, err = io.Copy(f, harness.Stream(w.Size))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
