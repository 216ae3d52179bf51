package e2e

import (
	"fmt"
	"io"
	"net"
	"net/textproto"
	"testing"
)

// A wire is an FTP client without manners of its own: it says what a test tells it to say.
type wire struct {
	t    testing.TB
	conn *textproto.Conn
	host string
}

// connect opens a control connection and logs in.
func (b *bridge) connect(t testing.TB) *wire {
	t.Helper()
	conn, err := textproto.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	return greet(t, conn, b.addr[:len(b.addr)-len(b.port())-1])
}

// greet logs in on a control connection, and closes it when the test is over.
func greet(t testing.TB, conn *textproto.Conn, host string) *wire {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	w := &wire{t, conn, host}
	w.expect(220)
	w.login()
	return w
}

func (w *wire) login() {
	w.t.Helper()
	w.say(331, "USER %s", user)
	w.say(230, "PASS %s", password)
	w.say(200, "TYPE I")
}

// expect reads one reply and returns its text.
func (w *wire) expect(code int) string {
	w.t.Helper()
	_, text, err := w.conn.ReadResponse(code)
	if err != nil {
		w.t.Fatalf("%v, want %d", err, code)
	}
	return text
}

// say sends a command and expects its reply.
func (w *wire) say(code int, format string, args ...any) string {
	w.t.Helper()
	if err := w.conn.PrintfLine(format, args...); err != nil {
		w.t.Fatal(err)
	}
	return w.expect(code)
}

// open begins a transfer and returns its data connection.
func (w *wire) open(format string, args ...any) *net.TCPConn {
	w.t.Helper()
	data := w.dial()
	w.say(150, format, args...)
	return data
}

// dial makes a data connection for the next transfer.
func (w *wire) dial() *net.TCPConn {
	w.t.Helper()
	data, err := net.Dial("tcp", w.epsv())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { data.Close() })
	return data.(*net.TCPConn)
}

// epsv returns where the data connection of the next transfer has to go.
func (w *wire) epsv() string {
	w.t.Helper()
	var port int
	if _, err := fmt.Sscanf(w.say(229, "EPSV"), "Entering Extended Passive Mode (|||%d|)", &port); err != nil {
		w.t.Fatal(err)
	}
	return net.JoinHostPort(w.host, fmt.Sprint(port))
}

// ask sends a command and returns its reply, whatever it is.
func (w *wire) ask(format string, args ...any) (int, string) {
	w.t.Helper()
	if err := w.conn.PrintfLine(format, args...); err != nil {
		w.t.Fatal(err)
	}
	return w.reply()
}

func (w *wire) reply() (int, string) {
	w.t.Helper()
	code, text, err := w.conn.ReadResponse(0)
	if err != nil {
		w.t.Fatal(err)
	}
	return code, text
}

// transfer runs one whose data nobody looks at, and returns the final reply.
func (w *wire) transfer(format string, args ...any) (int, string) {
	w.t.Helper()
	data := w.dial()
	defer data.Close()
	code, text := w.ask(format, args...)
	if code == 150 {
		io.Copy(io.Discard, data)
		code, text = w.reply()
	}
	return code, text
}

// openAt begins an upload that goes on at an offset, or anew at 0.
func (w *wire) openAt(at int64, name string) *net.TCPConn {
	w.t.Helper()
	if at > 0 {
		w.say(350, "REST %d", at)
	}
	return w.open("STOR %s", name)
}

// size asks for the size of a file, 0 if there is none.
func (w *wire) size(name string) (size int64) {
	w.t.Helper()
	code, text := w.ask("SIZE %s", name)
	if code != 213 && code != 550 {
		w.t.Fatalf("SIZE: %d %s", code, text)
	}
	fmt.Sscan(text, &size)
	return size
}

// stands returns where a broken upload stands, as the reply tells to an offset that cannot be right.
func (w *wire) stands(name string) (at int64) {
	w.t.Helper()
	w.say(229, "EPSV")
	w.say(350, "REST 1")
	text := w.say(554, "STOR %s", name)
	if _, err := fmt.Sscanf(text, "That offset does not fit, %d bytes", &at); err != nil {
		w.t.Fatalf("%q: %v", text, err)
	}
	return at
}
