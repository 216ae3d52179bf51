package tenants

import (
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// password is the password of all users. It can be the secret key of an S3 access key.
const password = "correct-horse"

// An attacker is a session of a user who sends hostile paths. It collects all that the server sends.
type attacker struct {
	t      *testing.T
	server *harness.Server
	user   string
	start  string // directory in which each command runs
	conn   *textproto.Conn
	seen   strings.Builder
	sent   int // commands
	lost   int // connections that the server has closed
}

// connect logs in.
func (a *attacker) connect() {
	a.t.Helper()
	a.dial()
	a.do("USER " + a.user)
	if code, text := a.do("PASS " + password); code != 230 {
		a.t.Fatalf("PASS of %s: %d %s", a.user, code, text)
	}
	a.do("TYPE I")
	a.do("CWD " + a.start)
}

// dial connects without logging in.
func (a *attacker) dial() {
	a.t.Helper()
	conn, err := textproto.Dial("tcp", a.server.Addr)
	if err != nil {
		a.t.Fatal(err)
	}
	a.conn = conn
	a.t.Cleanup(func() { conn.Close() })
	if code, text := a.reply(); code != 220 {
		a.t.Fatalf("%d %s", code, text)
	}
}

// reply reads a reply. If the server has closed the connection, it connects again, and returns 0.
func (a *attacker) reply() (code int, text string) {
	code, text, err := a.conn.ReadResponse(0)
	if err != nil {
		if a.lost++; a.lost > 100 {
			a.t.Fatalf("the server closes each connection: %v", err)
		}
		a.t.Logf("connecting again after %v", err)
		a.connect()
		return 0, ""
	}
	a.seen.WriteString(text)
	a.seen.WriteByte('\n')
	return code, text
}

// do sends a command and returns its reply.
func (a *attacker) do(command string) (int, string) {
	a.sent++
	a.conn.W.WriteString(command + "\r\n")
	a.conn.W.Flush()
	return a.reply()
}

// data returns a data connection.
func (a *attacker) data() *net.TCPConn {
	_, text := a.do("EPSV")
	_, port, _ := strings.Cut(strings.TrimSuffix(text, "|)"), "(|||")
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		a.t.Fatalf("%q: %v", text, err)
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	return conn.(*net.TCPConn)
}

// receive runs a command that may send data.
func (a *attacker) receive(command string) {
	conn := a.data()
	defer conn.Close()
	if code, _ := a.do(command); code == 150 {
		io.Copy(&a.seen, conn)
		a.reply()
	}
}

// send runs a command that may receive data.
func (a *attacker) send(command string) {
	a.sendFrom(command, strings.NewReader(ownContent), (*net.TCPConn).CloseWrite)
}

// sendFrom is send for the data of r, and with another way to end the data connection.
func (a *attacker) sendFrom(command string, r io.Reader, end func(*net.TCPConn) error) {
	conn := a.data()
	defer conn.Close()
	if code, _ := a.do(command); code == 150 {
		io.Copy(struct{ io.Writer }{conn}, r)
		end(conn)
		a.reply()
	}
}

// reset ends a data connection so that the upload fails.
func reset(conn *net.TCPConn) error {
	conn.SetLinger(0)
	return conn.Close()
}

// transfer uploads large files, appends to one, resumes one, gives one up, and renames a file and directories.
func (a *attacker) transfer(dir string) {
	a.do("CWD " + dir)
	large := func() io.Reader { return io.LimitReader(harness.Noise(dir), 13*harness.MiB) }
	a.sendFrom("STOR large", large(), (*net.TCPConn).CloseWrite)
	a.sendFrom("APPE large", large(), (*net.TCPConn).CloseWrite)
	for _, name := range []string{"broken", "left"} {
		a.sendFrom("STOR "+name, large(), reset)
	}
	_, size := a.do("SIZE broken")
	a.do("REST " + size)
	a.send("STOR broken")
	for _, command := range []string{"DELE left", "RNFR large", "RNTO dir/large", "RNFR dir", "RNTO moved", "RNFR moved", "RNTO nested/moved", "RNFR nested/moved",
		"RNTO dir", "HASH dir/large", "DELE dir/large", "DELE broken"} {
		a.do(command)
	}
}
