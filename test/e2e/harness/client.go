package harness

import (
	"fmt"
	"io"
	"net"
	"net/textproto"
	"testing"
)

// A Client is a bare FTP client: the test chooses each command.
type Client struct {
	T    testing.TB
	Conn *textproto.Conn // the control connection
	Host string          // of data connections
}

// Connect opens a control connection and logs in.
func (s *Server) Connect(t testing.TB) *Client {
	t.Helper()
	conn, err := textproto.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return NewClient(t, conn, s.Addr[:len(s.Addr)-len(s.Port())-1])
}

// NewClient logs in on a control connection, and closes it when the test ends. Data connections go to host.
func NewClient(t testing.TB, conn *textproto.Conn, host string) *Client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	c := &Client{t, conn, host}
	c.Expect(220)
	c.Login()
	return c
}

// Login logs in and sets TYPE I.
func (c *Client) Login() {
	c.T.Helper()
	c.Cmd(331, "USER %s", User)
	c.Cmd(230, "PASS %s", Password)
	c.Cmd(200, "TYPE I")
}

// Expect reads one reply, which must have this code, and returns its text.
func (c *Client) Expect(code int) string {
	c.T.Helper()
	_, text, err := c.Conn.ReadResponse(code)
	if err != nil {
		c.T.Fatalf("%v, want %d", err, code)
	}
	return text
}

// Cmd sends a command, checks the code of its reply, and returns the reply's text.
func (c *Client) Cmd(code int, format string, args ...any) string {
	c.T.Helper()
	if err := c.Conn.PrintfLine(format, args...); err != nil {
		c.T.Fatal(err)
	}
	return c.Expect(code)
}

// Open begins a transfer and returns its data connection.
func (c *Client) Open(format string, args ...any) *net.TCPConn {
	c.T.Helper()
	data := c.Dial()
	c.Cmd(150, format, args...)
	return data
}

// Dial opens a data connection for the next transfer.
func (c *Client) Dial() *net.TCPConn {
	c.T.Helper()
	data, err := net.Dial("tcp", c.EPSV())
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(func() { data.Close() })
	return data.(*net.TCPConn)
}

// EPSV returns the address for the next data connection.
func (c *Client) EPSV() string {
	c.T.Helper()
	var port int
	if _, err := fmt.Sscanf(c.Cmd(229, "EPSV"), "Entering Extended Passive Mode (|||%d|)", &port); err != nil {
		c.T.Fatal(err)
	}
	return net.JoinHostPort(c.Host, fmt.Sprint(port))
}

// Do sends a command and returns its reply.
func (c *Client) Do(format string, args ...any) (int, string) {
	c.T.Helper()
	if err := c.Conn.PrintfLine(format, args...); err != nil {
		c.T.Fatal(err)
	}
	return c.Reply()
}

// Reply reads one reply.
func (c *Client) Reply() (int, string) {
	c.T.Helper()
	code, text, err := c.Conn.ReadResponse(0)
	if err != nil {
		c.T.Fatal(err)
	}
	return code, text
}

// Transfer runs a download, discards its data, and returns the final reply.
func (c *Client) Transfer(format string, args ...any) (int, string) {
	c.T.Helper()
	data := c.Dial()
	defer data.Close()
	code, text := c.Do(format, args...)
	if code == 150 {
		io.Copy(io.Discard, data)
		code, text = c.Reply()
	}
	return code, text
}

// OpenAt begins an upload at an offset.
func (c *Client) OpenAt(at int64, name string) *net.TCPConn {
	c.T.Helper()
	if at > 0 {
		c.Cmd(350, "REST %d", at)
	}
	return c.Open("STOR %s", name)
}

// Size returns the size of a file, 0 if it does not exist.
func (c *Client) Size(name string) (size int64) {
	c.T.Helper()
	code, text := c.Do("SIZE %s", name)
	if code != 213 && code != 550 {
		c.T.Fatalf("SIZE: %d %s", code, text)
	}
	fmt.Sscan(text, &size)
	return size
}

// Offset returns the offset to resume a broken upload at, from the reply to an impossible offset.
func (c *Client) Offset(name string) (at int64) {
	c.T.Helper()
	c.Cmd(229, "EPSV")
	c.Cmd(350, "REST 1")
	text := c.Cmd(554, "STOR %s", name)
	if _, err := fmt.Sscanf(text, "Invalid offset, %d bytes", &at); err != nil {
		c.T.Fatalf("%q: %v", text, err)
	}
	return at
}

// Store uploads a file.
func (c *Client) Store(name string, r io.Reader) {
	data := c.Open("STOR %s", name)
	if _, err := io.Copy(struct{ io.Writer }{data}, r); err != nil {
		c.T.Error(err)
	}
	data.Close()
	c.Expect(226)
}

// Retrieve downloads a file and discards it.
func (c *Client) Retrieve(name string) {
	data := c.Open("RETR %s", name)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{data}, make([]byte, 256*KiB)); err != nil {
		c.T.Error(err)
	}
	data.Close()
	c.Expect(226)
}
