package bench

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/textproto"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// secureClient logs in after AUTH TLS, and protects data connections.
func secureClient(b *testing.B, addr string, clear *textproto.Conn) client {
	clear.Close()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	config := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	hello := textproto.NewConn(raw)
	greeting := harness.Client{T: b, Conn: hello, Host: "127.0.0.1"}
	greeting.Expect(220)
	greeting.Cmd(234, "AUTH TLS")
	conn := textproto.NewConn(tls.Client(raw, config))
	b.Cleanup(func() { conn.Close() })
	c := &harness.Client{T: b, Conn: conn, Host: "127.0.0.1"}
	c.Login()
	c.Cmd(200, "PBSZ 0")
	c.Cmd(200, "PROT P")
	return ftpClient{c, config}
}

// transfer begins a transfer, moves its data, and expects 226.
func (c ftpClient) transfer(move func(io.ReadWriter) error, command, name string) {
	raw, err := net.Dial("tcp", c.EPSV())
	if err != nil {
		c.T.Error(err)
		return
	}
	defer raw.Close()
	if err := c.Conn.PrintfLine("%s %s", command, name); err != nil {
		c.T.Error(err)
		return
	}
	c.Expect(150)
	var data io.ReadWriteCloser = raw
	if c.config != nil {
		data = tls.Client(raw, c.config)
	}
	if err := move(data); err != nil {
		c.T.Error(err)
	}
	data.Close()
	c.Expect(226)
}

func (c ftpClient) put(name string, size int64) {
	c.transfer(func(data io.ReadWriter) error {
		_, err := io.Copy(struct{ io.Writer }{data}, struct{ io.Reader }{harness.Stream(size)})
		return err
	}, "STOR", name)
}

func (c ftpClient) get(name string, size int64) {
	c.transfer(func(data io.ReadWriter) error {
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{data}, make([]byte, 256*harness.KiB))
		if n != size {
			c.T.Errorf("%d bytes, want %d", n, size)
		}
		return err
	}, "RETR", name)
}

func (c ftpClient) list(dir string, entries int) {
	c.transfer(func(data io.ReadWriter) error {
		text, err := io.ReadAll(data)
		if n := bytes.Count(text, []byte("\n")); n != entries {
			c.T.Errorf("%d lines, want %d", n, entries)
		}
		return err
	}, "LIST", dir)
}
