package passive

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// acceptThroughProxy returns a control connection from a proxy on this host, and the proxy's end of it.
func acceptThroughProxy(t *testing.T, sent string) (conn net.Conn, clientEnd *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = Proxied(l, []netip.Prefix{netip.PrefixFrom(loopback, 32)})
	t.Cleanup(func() { l.Close() })
	clientEnd = connect(t, loopback, loopback, AddrPort(l.Addr()).Port())
	io.WriteString(clientEnd, sent)
	if conn, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if got, want := HostAddr(conn), AddrPort(clientEnd.RemoteAddr()).Addr(); got != want {
		t.Errorf("HostAddr is %v; want %v", got, want)
	}
	return conn, clientEnd
}

func TestMethodsOfProxiedConnection(t *testing.T) {
	sent := proxyHeader(t, 2, netip.AddrPortFrom(client, 5000), publicAddr)
	t.Run("SyscallConn", func(t *testing.T) {
		conn, _ := acceptThroughProxy(t, sent)
		raw, err := conn.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		called := false
		if err := raw.Control(func(uintptr) { called = true }); err != nil || !called {
			t.Errorf("Control: %v, called: %v", err, called)
		}
	})
	t.Run("CloseWrite", func(t *testing.T) {
		conn, clientEnd := acceptThroughProxy(t, sent)
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		if _, err := clientEnd.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the other end reads %v; want EOF", err)
		}
		clientEnd.Write([]byte("x"))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Errorf("reading after CloseWrite: %v", err)
		}
	})
	t.Run("SetLinger", func(t *testing.T) {
		conn, clientEnd := acceptThroughProxy(t, sent)
		conn.RemoteAddr() // reads the header: unread data would make any close a reset
		drop(conn)
		wantReset(t, clientEnd)
	})
	t.Run("invalid header", func(t *testing.T) {
		conn, clientEnd := acceptThroughProxy(t, "USER anonymous\r\n")
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read: %v; want an error", err)
		}
		wantReset(t, clientEnd)
	})
}

func TestCloseResetsProxiedDataConnection(t *testing.T) {
	p := onePort(t, loopback)
	p.ProxyFrom = []netip.Prefix{netip.PrefixFrom(loopback, 8)}
	l := listen(t, p, Claim{Local: loopback, Peer: client, Timeout: 30 * time.Second})
	clientEnd := connect(t, loopback, loopback, l.Port())
	io.WriteString(clientEnd, proxyHeader(t, 1, netip.AddrPortFrom(client, 5000), publicAddr))
	bound, tick := time.After(30*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(l.result) == 0 {
		select {
		case <-tick.C:
		case <-bound:
			t.Fatal("no connection after 30 s")
		}
	}
	l.Close()
	wantReset(t, clientEnd)
}
