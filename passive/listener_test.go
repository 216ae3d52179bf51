package passive

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// listenOnOnePort waits for the client on a range of one port.
func listenOnOnePort(t *testing.T, timeout time.Duration) (*memoryNet, *Ports, *Listener) {
	t.Helper()
	m := newMemoryNet()
	p := &Ports{First: 60000, Last: 60000, Log: silent, ListenFunc: m.listen}
	l, err := p.Listen(t.Context(), Claim{Local: server, Peer: client, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return m, p, l
}

var onlyAddr = netip.AddrPortFrom(server, 60000)

func TestTimeoutEndsConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, l := listenOnOnePort(t, 20*time.Second)
		start := time.Now()
		conn, err := l.Conn(t.Context())
		if !errors.Is(err, os.ErrDeadlineExceeded) || conn != nil {
			t.Errorf("got %v, %v; want os.ErrDeadlineExceeded", conn, err)
		}
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("%v is not a net.Error with Timeout() true", err)
		}
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("waited %v; want 20s", waited)
		}
		holdPort(t, p, server)
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("the port was free after %v; want 20s, at the timeout", waited)
		}
	})
}

func TestTimeoutReleasesPortWithoutConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, _ := listenOnOnePort(t, time.Second)
		start := time.Now()
		holdPort(t, p, server)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("the port was free after %v; want 1s", waited)
		}
	})
}

func TestConnectionStopsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := listenOnOnePort(t, time.Second)
		clientEnd := m.dial(t, client, onlyAddr)
		<-time.After(time.Minute)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatalf("Conn, called after the timeout, failed for a connection that came in time: %v", err)
		}
		defer conn.Close()
		go conn.Write([]byte("x"))
		if n, err := clientEnd.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("read %d bytes, %v from the connection; want 1", n, err)
		}
	})
}

func TestConnectionReleasesPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, p, l := listenOnOnePort(t, time.Hour)
		m.dial(t, client, onlyAddr)
		start := time.Now()
		holdPort(t, p, server) // Conn has not been called yet
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the port was free %v after the connection; want at once", waited)
		}
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if _, err := l.Conn(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second call of Conn: %v; want net.ErrClosed", err)
		}
	})
}

func TestConnectionsFromOtherAddressesAreRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, p, l := listenOnOnePort(t, time.Hour)
		var log bytes.Buffer
		synctest.Wait() // the port is open
		p.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		for _, from := range []string{"198.51.100.8", "192.0.2.1", "2001:db8::1", "::ffff:198.51.100.8", "::198.51.100.7"} {
			wantDropped(t, m.dial(t, netip.MustParseAddr(from), onlyAddr))
		}
		m.dial(t, client, onlyAddr)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := AddrPort(conn.RemoteAddr()).Addr(); got != client {
			t.Errorf("the connection is from %v; want %v", got, client)
		}
		if got := p.Rejected(); got != 5 {
			t.Errorf("%d connections rejected; want 5", got)
		}
		if n := strings.Count(log.String(), "level=DEBUG"); n != 5 || !strings.Contains(log.String(), "remote=[2001:db8::1]:33333") {
			t.Errorf("the log has %d lines; want 5, with the remote addresses:\n%s", n, log.String())
		}
	})
}

func TestMappedAddressesMatchIPv4(t *testing.T) {
	mapped := func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
	for _, tt := range []struct{ local, peer, from netip.Addr }{
		{mapped(server), mapped(client), client},
		{server, client, mapped(client)},
		{mapped(server), mapped(client), mapped(client)},
	} {
		m := newMemoryNet()
		p := &Ports{First: 60000, Last: 60000, Log: silent, ListenFunc: m.listen}
		l, err := p.Listen(t.Context(), Claim{Local: tt.local, Peer: tt.peer, Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		m.dial(t, tt.from, onlyAddr)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, err := l.Conn(ctx)
		if err != nil {
			t.Errorf("claim on %v, connection from %v, expected from %v: %v", tt.local, tt.from, tt.peer, err)
		} else {
			conn.Close()
		}
		cancel()
		l.Close()
	}
}

func TestCloseEndsConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := listenOnOnePort(t, time.Hour)
		waited := make(chan error)
		go func() {
			_, err := l.Conn(t.Context())
			waited <- err
		}()
		synctest.Wait()
		for range 3 {
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if err := <-waited; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Conn ended with %v; want net.ErrClosed", err)
		}
		if m.sockets[onlyAddr] != nil {
			t.Error("the port is still bound after Close")
		}
	})
}

func TestCloseDropsUnusedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := listenOnOnePort(t, time.Hour)
		clientEnd := m.dial(t, client, onlyAddr)
		synctest.Wait()
		l.Close()
		wantDropped(t, clientEnd)
		if _, err := l.Conn(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Conn after Close: %v; want net.ErrClosed", err)
		}
	})
}

func TestCloseKeepsReturnedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := listenOnOnePort(t, time.Hour)
		clientEnd := m.dial(t, client, onlyAddr)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		l.Close()
		go conn.Write([]byte("x"))
		if n, err := clientEnd.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("after Close, read %d bytes, %v; want 1", n, err)
		}
	})
}

func TestWaitOutlivesContextOfConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := listenOnOnePort(t, time.Hour)
		reason := errors.New("ABOR")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		if _, err := l.Conn(ctx); !errors.Is(err, reason) {
			t.Errorf("got %v; want the cause of the context", err)
		}
		m.dial(t, client, onlyAddr)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}

func TestListenerOutlivesContextOfListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := &Ports{First: 60000, Last: 60000, ListenFunc: m.listen}
		ctx, cancel := context.WithCancel(t.Context())
		l, err := p.Listen(ctx, oneHour)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		cancel()
		synctest.Wait()
		m.dial(t, client, onlyAddr)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}
