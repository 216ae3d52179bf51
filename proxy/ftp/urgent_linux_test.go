package ftp

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// The urgent byte of a Telnet Synch stays in the stream, so that ABOR after it is complete.
func TestUrgentByteStaysInline(t *testing.T) {
	client, server := tcpPair(t)
	keepUrgentInline(server)
	io.WriteString(client, "\xff\xf4\xff")
	sendUrgent(t, client, "\xf2")
	io.WriteString(client, "ABOR\r\n")
	server.SetReadDeadline(time.Now().Add(10 * time.Second)) // in case it does not
	got := make([]byte, 10)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "\xff\xf4\xff\xf2ABOR\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// ABOR over TCP works with any of its bytes sent as urgent data: in BSD's ftp an IAC, in other clients Telnet's data mark, in Python
// the whole line, in Ruby its end.
func TestAbortWithUrgentData(t *testing.T) {
	for name, send := range map[string]func(net.Conn){
		"in band": func(c net.Conn) { io.WriteString(c, "ABOR\r\n") },
		"the IAC": func(c net.Conn) { sendUrgent(t, c, "\xff\xf4\xff"); io.WriteString(c, "\xf2ABOR\r\n") },
		"the data mark": func(c net.Conn) {
			io.WriteString(c, "\xff\xf4\xff")
			sendUrgent(t, c, "\xf2")
			io.WriteString(c, "ABOR\r\n")
		},
		"all":         func(c net.Conn) { sendUrgent(t, c, "ABOR\r\n") },
		"all, IP too": func(c net.Conn) { sendUrgent(t, c, "\xff\xf4\xff\xf2ABOR\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			store := storetest.NewMemory()
			srv := &Server{}
			srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{Store: store}, nil }
			control, replies, data := dialTCP(t, srv)
			control.SetDeadline(time.Now().Add(20 * time.Second)) // in case ABOR is not recognised
			expect := func(code string) {
				t.Helper()
				if text, err := replies.ReadString('\n'); !strings.HasPrefix(text, code) {
					t.Fatalf("%q, %v; want %s", text, err, code)
				}
			}
			io.WriteString(control, "STOR a\r\n")
			expect("150 ")
			io.WriteString(data, "half")
			send(control)
			expect("426 ")
			expect("226 ")
			sendUrgent(t, control, "NOOP\r\n")
			expect("200 ")
			if len(store.Files) > 0 {
				t.Errorf("the store has the files %v, want none", store.Files)
			}
		})
	}
}

func sendUrgent(t *testing.T, conn net.Conn, b string) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { err = unix.Send(int(fd), []byte(b), unix.MSG_OOB) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
}
