package proxy

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tcpPair returns both ends of a real connection.
func tcpPair(t *testing.T) (client, server net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// awaitEnd asks the kernel until it says so; loopback needs a moment.
func awaitEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if _, ended := kernelView(conn); ended {
			return
		}
		<-tick.C
	}
	t.Error("the kernel does not see the end")
}

func TestKernelViewAlive(t *testing.T) {
	client, server := tcpPair(t)
	if _, err := io.WriteString(client, "NOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	if rtt, ended := kernelView(server); rtt <= 0 || rtt > 10*time.Second || ended {
		t.Errorf("round trip %v, ended %v", rtt, ended)
	}
	// Our own half may be closed: the client is still there.
	if err := server.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, ended := kernelView(server); ended {
		t.Error("ended though the peer has not closed")
	}
}

func TestKernelViewClosed(t *testing.T) {
	client, server := tcpPair(t)
	client.Close()
	awaitEnd(t, server)
}

// TestKernelViewBehindUnread: bytes that nobody reads do not hide the end.
func TestKernelViewBehindUnread(t *testing.T) {
	client, server := tcpPair(t)
	if _, err := io.WriteString(client, "NOOP\r\nNOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	client.Close()
	awaitEnd(t, server)
	got, err := io.ReadAll(server)
	if string(got) != "NOOP\r\nNOOP\r\n" || err != nil {
		t.Errorf("%q, %v are left to read", got, err)
	}
}

func TestKernelViewReset(t *testing.T) {
	client, server := tcpPair(t)
	client.(*net.TCPConn).SetLinger(0)
	client.Close()
	awaitEnd(t, server)
}

func TestKernelViewOfNoSocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	b.Close()
	if rtt, ended := kernelView(a); rtt != 0 || ended {
		t.Errorf("%v, %v of a connection that the kernel does not know", rtt, ended)
	}
}

// TestUrgentInline: the urgent byte of a Telnet Synch stays in its place, so that ABOR behind it is whole.
func TestUrgentInline(t *testing.T) {
	client, server := tcpPair(t)
	keepUrgentInline(server)
	io.WriteString(client, "\xff\xf4\xff")
	sendUrgent(t, client, 0xf2)
	io.WriteString(client, "ABOR\r\n")
	got := make([]byte, 10)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "\xff\xf4\xff\xf2ABOR\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func sendUrgent(t *testing.T, conn net.Conn, b byte) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { err = unix.Send(int(fd), []byte{b}, unix.MSG_OOB) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
}
