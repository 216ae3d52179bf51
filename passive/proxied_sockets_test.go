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

// throughAProxy returns a control connection that came through a proxy of this host, and the proxy's end.
func throughAProxy(t *testing.T, says string) (conn net.Conn, near *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = Proxied(l, []netip.Prefix{netip.PrefixFrom(loopback, 32)})
	t.Cleanup(func() { l.Close() })
	near = connect(t, loopback, loopback, AddrPort(l.Addr()).Port())
	io.WriteString(near, says)
	if conn, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if got, want := HostAddr(conn), AddrPort(near.RemoteAddr()).Addr(); got != want {
		t.Errorf("the socket's own address is %v; want %v", got, want)
	}
	return conn, near
}

func TestTheSocketBehindAHeader(t *testing.T) {
	says := header(t, 2, netip.AddrPortFrom(client, 5000), known)
	t.Run("can be asked", func(t *testing.T) {
		conn, _ := throughAProxy(t, says)
		raw, err := conn.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		asked := false
		if err := raw.Control(func(uintptr) { asked = true }); err != nil || !asked {
			t.Errorf("asked: %v, %v", asked, err)
		}
	})
	t.Run("can be ended in one direction", func(t *testing.T) {
		conn, near := throughAProxy(t, says)
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		if _, err := near.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the other end reads %v; want EOF", err)
		}
		near.Write([]byte("x"))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Errorf("what still comes from there: %v", err)
		}
	})
	t.Run("can be reset", func(t *testing.T) {
		conn, near := throughAProxy(t, says)
		conn.RemoteAddr() // or the header, unread, would make any close a reset
		drop(conn)
		wantReset(t, near)
	})
	t.Run("is reset after a bad header", func(t *testing.T) {
		conn, near := throughAProxy(t, "USER anonymous\r\n")
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read: %v; want an error", err)
		}
		wantReset(t, near)
	})
}

func TestADataConnectionThroughAProxyIsResetIfNobodyTookIt(t *testing.T) {
	p := onePort(t, loopback)
	p.ProxyFrom = []netip.Prefix{netip.PrefixFrom(loopback, 8)}
	l := claim(t, p, Claim{Local: loopback, Peer: client, Timeout: 30 * time.Second})
	near := connect(t, loopback, loopback, l.Port())
	io.WriteString(near, header(t, 1, netip.AddrPortFrom(client, 5000), known))
	bound, tick := time.After(30*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(l.came) == 0 {
		select {
		case <-tick.C:
		case <-bound:
			t.Fatal("the connection has not come")
		}
	}
	l.Close()
	wantReset(t, near)
}
