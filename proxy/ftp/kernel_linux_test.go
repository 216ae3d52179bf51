package ftp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// tcpPair returns both ends of a TCP connection.
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

// awaitClientEnd waits until tcpState reports the end of a connection.
func awaitClientEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if _, ended := tcpState(conn); ended {
			return
		}
		<-tick.C
	}
	t.Error("tcpState does not report the end")
}

func TestKernelViewAlive(t *testing.T) {
	client, server := tcpPair(t)
	if _, err := io.WriteString(client, "NOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	if rtt, ended := tcpState(server); rtt <= 0 || rtt > 10*time.Second || ended {
		t.Errorf("round trip %v, ended %v", rtt, ended)
	}
	// The server's own half may be closed while the client is still connected.
	if err := server.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, ended := tcpState(server); ended {
		t.Error("tcpState reports an end, but the peer has not closed")
	}
}

func TestKernelViewClosed(t *testing.T) {
	client, server := tcpPair(t)
	client.Close()
	awaitClientEnd(t, server)
}

// tcpState reports the end also before the bytes that precede it are read.
func TestKernelViewWithUnreadBytes(t *testing.T) {
	client, server := tcpPair(t)
	if _, err := io.WriteString(client, "NOOP\r\nNOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	client.Close()
	awaitClientEnd(t, server)
	got, err := io.ReadAll(server)
	if string(got) != "NOOP\r\nNOOP\r\n" || err != nil {
		t.Errorf("%q, %v are left to read", got, err)
	}
}

func TestKernelViewReset(t *testing.T) {
	client, server := tcpPair(t)
	client.(*net.TCPConn).SetLinger(0)
	client.Close()
	awaitClientEnd(t, server)
}

func TestKernelViewOfNoSocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	b.Close()
	if rtt, ended := tcpState(a); rtt != 0 || ended {
		t.Errorf("tcpState of a net.Pipe = %v, %v; want 0, false", rtt, ended)
	}
}

// The upload of a killed client is refused also if the client sent more commands than the server reads ahead, so that the server has not
// read the end of the control connection.
func TestKilledClientWithFullQueue(t *testing.T) {
	end := make(chan error, 1)
	put := func(_ context.Context, _ string, r io.Reader, _ proxy.Write) error {
		_, err := io.Copy(io.Discard, r)
		end <- err
		return err
	}
	srv := &Server{CommitGrace: 50 * time.Millisecond}
	srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
		return proxy.Account{Store: putStore{storetest.NewMemory(), put}}, nil
	}
	control, replies, data := dialTCP(t, srv)
	io.WriteString(control, "STOR a\r\n"+strings.Repeat("PWD\r\n", 2000))
	io.WriteString(data, "hello")
	if text, err := replies.ReadString('\n'); !strings.HasPrefix(text, "150 ") {
		t.Errorf("%q, %v", text, err)
	}
	control.Close()
	data.Close()
	if err := <-end; err != errControlLost {
		t.Errorf("the upload ends with %v, want %v", err, errControlLost)
	}
}

// dialTCP starts a server and returns the TCP connections of a client that has logged in and opened a passive data connection.
func dialTCP(t *testing.T, srv *Server) (control net.Conn, replies *bufio.Reader, data net.Conn) {
	t.Helper()
	control, err := net.Dial("tcp", serveTCP(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Close() })
	replies = bufio.NewReader(control)
	io.WriteString(control, "USER test\r\nPASS secret\r\nEPSV\r\n")
	data, err = net.Dial("tcp", passivePort(t, replies))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	return control, replies, data
}

// serveTCP runs a server until the end of the test, and returns its address.
func serveTCP(t *testing.T, srv *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// passivePort reads replies up to that to EPSV, and returns the address in it.
func passivePort(t *testing.T, replies *bufio.Reader) string {
	t.Helper()
	for {
		text, err := replies.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var port int
		if n, _ := fmt.Sscanf(text, "229 Entering Extended Passive Mode (|||%d|)", &port); n == 1 {
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
}

// An ABOR after the grace period and before the commit still cancels the upload.
func TestAbortBetweenGraceAndCommit(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	client, server := net.Pipe()
	go client.Close()
	s := &session{srv: &Server{CommitGrace: time.Nanosecond}}
	s.raw = onSyscallConn{server, func() { cancel(errAborted) }} // called at the end of the grace period
	tr := &transfer{preliminary: make(chan reply, 1), hard: t.Context()}
	tr.conn = newDataConn(ctx, server, time.Minute, &tr.bytes)
	store := storetest.NewMemory()
	if err := s.put(ctx, tr, store, "/a", "", destination{}, false); err != errAborted || len(store.Files) > 0 {
		t.Errorf("got %v and the files %v, want %v and none", err, store.Files, errAborted)
	}
}

// An onSyscallConn is a connection that calls f in SyscallConn.
type onSyscallConn struct {
	net.Conn
	f func()
}

func (a onSyscallConn) SyscallConn() (syscall.RawConn, error) {
	a.f()
	return nil, errors.ErrUnsupported
}
