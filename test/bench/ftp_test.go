package bench

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// patience limits a transfer and a login, so that a server that hangs is reported.
const patience = 5 * time.Minute

// An account is what a client logs in with, and the directory in which it finds the bucket.
type account struct {
	user, password, root string
	key                  string // the file of a private key instead of the password
}

// ours is the account of s3ftpd.
var ours = account{user: harness.User, password: harness.Password}

// ftpClient is an FTP client that returns errors, so that a failing server is a result.
type ftpClient struct {
	raw    net.Conn // the control connection
	conn   *textproto.Conn
	config *tls.Config // nil = in clear
	root   string
}

// connectFTP logs in, with explicit TLS if secure. The connection is closed when the benchmark ends.
func connectFTP(b testing.TB, addr string, a account, secure bool) (*ftpClient, error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	b.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(patience))
	c := &ftpClient{raw: raw, conn: textproto.NewConn(raw), root: a.root}
	if _, _, err := c.conn.ReadResponse(220); err != nil {
		return nil, err
	}
	if secure {
		if err := c.protect(); err != nil {
			return nil, err
		}
	}
	if err := c.cmd(3, "USER %s", a.user); errors.Is(err, errDone) {
		return c, c.cmd(2, "TYPE I") // an anonymous user without a password
	} else if err != nil {
		return nil, err
	}
	commands := []string{"PASS " + a.password, "TYPE I"}
	if secure {
		commands = append(commands, "PBSZ 0", "PROT P")
	}
	for _, command := range commands {
		if err := c.cmd(2, "%s", command); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// protect sends AUTH TLS. Data connections resume the TLS session of the control connection.
func (c *ftpClient) protect() error {
	if err := c.cmd(2, "AUTH TLS"); err != nil {
		return err
	}
	c.config = &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	c.conn = textproto.NewConn(tls.Client(c.raw, c.config))
	return nil
}

// errDone is the error for a reply 2xx where 3xx was expected.
var errDone = errors.New("done already")

// cmd sends a command and expects a reply with this first digit.
func (c *ftpClient) cmd(class int, format string, args ...any) error {
	if err := c.conn.PrintfLine(format, args...); err != nil {
		return err
	}
	return c.expect(class)
}

func (c *ftpClient) expect(class int) error {
	code, text, err := c.conn.ReadResponse(0)
	switch {
	case err != nil:
		return err
	case code/100 == 2 && class == 3:
		return errDone
	case code/100 != class:
		return fmt.Errorf("%d %s", code, text)
	}
	return nil
}

// dial opens the data connection of the next transfer.
func (c *ftpClient) dial() (net.Conn, error) {
	if err := c.conn.PrintfLine("EPSV"); err != nil {
		return nil, err
	}
	_, text, err := c.conn.ReadResponse(229)
	if err != nil {
		return nil, err
	}
	_, text, _ = strings.Cut(text, "(|||")
	port, _, _ := strings.Cut(text, "|)")
	return net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
}

// transfer begins a transfer, moves its data, and expects 226.
func (c *ftpClient) transfer(command, name string, move func(io.ReadWriter) error) error {
	end := time.Now().Add(patience)
	c.raw.SetDeadline(end)
	raw, err := c.dial()
	if err != nil {
		return err
	}
	defer raw.Close()
	raw.SetDeadline(end)
	if err := c.cmd(1, "%s %s%s", command, c.root, name); err != nil {
		return err
	}
	var data io.ReadWriteCloser = raw
	if c.config != nil {
		data = tls.Client(raw, c.config)
	}
	moved := move(data)
	data.Close()
	if err := c.expect(2); err != nil {
		return err // the server's reason, rather than a broken connection
	}
	return moved
}

func (c *ftpClient) put(name string, size int64) error {
	return c.transfer("STOR", name, func(data io.ReadWriter) error {
		_, err := io.Copy(struct{ io.Writer }{data}, struct{ io.Reader }{harness.Stream(size)})
		return err
	})
}

func (c *ftpClient) get(name string, size int64) error {
	return c.transfer("RETR", name, func(data io.ReadWriter) error {
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{data}, make([]byte, 256*harness.KiB))
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes, want %d", n, size)
		}
		return err
	})
}

// list counts the lines of a listing. The first time is that of the first line, with EPSV and the data connection.
func (c *ftpClient) list(command, dir string, entries int) (first time.Duration, err error) {
	begin := time.Now()
	err = c.transfer(command, dir, func(data io.ReadWriter) error {
		lines, n := bufio.NewReaderSize(data, 64<<10), 0
		for {
			if _, err := lines.ReadSlice('\n'); errors.Is(err, io.EOF) {
				return wrongCount(n, entries)
			} else if err != nil {
				return err
			}
			if n++; n == 1 {
				first = time.Since(begin)
			}
		}
	})
	return first, err
}

// wrongCount returns an error if a listing has another number of entries.
func wrongCount(got, want int) error {
	if got != want {
		return fmt.Errorf("the listing has %d entries, want %d", got, want)
	}
	return nil
}
