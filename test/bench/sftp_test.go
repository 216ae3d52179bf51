package bench

import (
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// sftpClient is an SFTP client that sends requests as OpenSSH's does: of 255 KiB, 64 at a time.
type sftpClient struct {
	*harness.SFTP
	addr    string
	account account
	root    string
}

const sftpInFlight = 64

// connectSFTP logs in with a password. The connection is closed when the benchmark ends.
func connectSFTP(b testing.TB, addr string, a account) (*sftpClient, error) {
	return connectSFTPWith(b, addr, a, ssh.Password(a.password))
}

func connectSFTPWith(b testing.TB, addr string, a account, with ssh.AuthMethod) (*sftpClient, error) {
	c, err := harness.DialSFTP(addr, a.user, with)
	if err != nil {
		return nil, err
	}
	b.Cleanup(func() { c.Close() })
	return &sftpClient{c, addr, a, a.root}, nil
}

func (c *sftpClient) put(name string, size int64) error {
	c.SetDeadline(time.Now().Add(patience))
	return c.Put(c.root+name, harness.Stream(size), size, sftpInFlight)
}

func (c *sftpClient) get(name string, size int64) error {
	c.SetDeadline(time.Now().Add(patience))
	return c.Get(c.root+name, io.Discard, size, sftpInFlight)
}

// list counts the entries of a directory. The first time is that of the first reply to READDIR.
func (c *sftpClient) list(_, dir string, entries int) (first time.Duration, err error) {
	c.SetDeadline(time.Now().Add(patience))
	begin := time.Now()
	handle, err := c.Handle(harness.SFTPOpenDir, c.root+dir)
	if err != nil {
		return 0, err
	}
	for n := 0; ; {
		if _, err := c.Send(harness.SFTPReadDir, handle); err != nil {
			return 0, err
		}
		r, err := c.Reply()
		if err != nil {
			return 0, err
		}
		if err := c.Discard(r); err != nil {
			return 0, err
		}
		switch {
		case r.Kind == harness.SFTPStatus && r.Number == harness.SFTPEOF:
			if n == entries+2 { // OpenSSH's server lists . and ..
				n = entries
			}
			return first, errors.Join(wrongCount(n, entries), c.Do(harness.SFTPClose, handle))
		case r.Kind != harness.SFTPName:
			return 0, errors.New("READDIR is refused")
		case n == 0:
			first = time.Since(begin)
		}
		n += r.Number
	}
}
