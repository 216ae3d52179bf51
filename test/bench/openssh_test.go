package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A sftpProgram is OpenSSH's sftp, which runs commands that it reads.
type sftpProgram struct {
	root   string
	in     io.Writer
	out    *bufio.Reader
	source func(size int64) (name string, err error)
}

// startSFTP starts OpenSSH's client with the login of another one, which it ends. It needs no agent and no configuration.
func startSFTP(b testing.TB, c *sftpClient) (*sftpProgram, error) {
	c.Close()
	dir := b.TempDir()
	ask := filepath.Join(dir, "ask")
	if err := os.WriteFile(ask, []byte("#!/bin/sh\necho \"$SFTP_PASSWORD\"\n"), 0o700); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(c.addr)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sftp", "-F", "none", "-P", port, "-c", "aes128-gcm@openssh.com", "-o", "BatchMode=no", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-b", "-")
	if c.account.key != "" {
		cmd.Args = append(cmd.Args, "-i", c.account.key)
	}
	cmd.Args = append(cmd.Args, c.account.user+"@"+host)
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "SFTP_PASSWORD="+c.account.password)
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		return nil, err
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	p := &sftpProgram{c.root, in, bufio.NewReader(out), sourceFile(dir)}
	return p, p.do("-mkdir " + c.root + "bench") // rclone needs it; it may exist
}

// sourceFile returns a function that makes a file of a size, once.
func sourceFile(dir string) func(int64) (string, error) {
	var made sync.Once
	var err error
	name := filepath.Join(dir, "source")
	return func(size int64) (string, error) {
		made.Do(func() {
			var f *os.File
			if f, err = os.Create(name); err == nil {
				_, err = io.Copy(f, harness.Stream(size))
				err = errors.Join(err, f.Close())
			}
		})
		return name, err
	}
}

const sftpDone = "!echo done"

// do runs a command. If it fails, the program ends.
func (c *sftpProgram) do(command string) error {
	if _, err := fmt.Fprintf(c.in, "%s\n%s\n", command, sftpDone); err != nil {
		return err
	}
	for {
		switch line, err := c.out.ReadString('\n'); {
		case err != nil:
			return fmt.Errorf("sftp: %s: %w", command, err)
		case line == "done\n":
			return nil
		}
	}
}

func (c *sftpProgram) put(name string, size int64) error {
	source, err := c.source(size)
	if err != nil {
		return err
	}
	return c.do("put " + source + " " + c.root + name)
}

// list implements client. The listings of OpenSSH's client are sorted, and their time is the client's.
func (c *sftpProgram) list(string, string, int) (time.Duration, error) {
	return 0, errors.ErrUnsupported
}

func (c *sftpProgram) get(name string, _ int64) error {
	return c.do("get " + c.root + name + " /dev/null")
}
