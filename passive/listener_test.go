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

// await starts to wait for the client on a range of one port.
func await(t *testing.T, timeout time.Duration) (*memory, *Ports, *Listener) {
	t.Helper()
	m := newMemory()
	p := &Ports{First: 60000, Last: 60000, Log: silent, ListenFunc: m.listen}
	l, err := p.Listen(t.Context(), Claim{Local: server, Peer: client, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return m, p, l
}

var only = netip.AddrPortFrom(server, 60000)

func TestTheWaitEndsWithTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, l := await(t, 20*time.Second)
		start := time.Now()
		conn, err := l.Conn(t.Context())
		if !errors.Is(err, os.ErrDeadlineExceeded) || conn != nil {
			t.Errorf("got %v, %v; want os.ErrDeadlineExceeded", conn, err)
		}
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("%v is no net.Error that says Timeout", err)
		}
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("waited %v; want 20s", waited)
		}
		hold(t, p, server)
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("the port was free after %v; want 20s, at once with the time-out", waited)
		}
	})
}

func TestTheTimeoutNeedsNobodyWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, _ := await(t, time.Second)
		start := time.Now()
		hold(t, p, server)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("the port was free after %v; want 1s", waited)
		}
	})
}

func TestAConnectionEndsTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := await(t, time.Second)
		near := m.dial(t, client, only)
		<-time.After(time.Minute)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatalf("the connection came in time, but was asked for later: %v", err)
		}
		defer conn.Close()
		go conn.Write([]byte("x"))
		if n, err := near.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("read %d bytes, %v from the connection; want 1", n, err)
		}
	})
}

func TestThePortIsFreeAsSoonAsTheConnectionHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, p, l := await(t, time.Hour)
		m.dial(t, client, only)
		start := time.Now()
		hold(t, p, server) // though nobody has called Conn
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the port was free %v after the connection; want at once", waited)
		}
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if _, err := l.Conn(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("asked for a second connection: %v; want net.ErrClosed", err)
		}
	})
}

func TestStrangersAreDroppedAndTheWaitGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, p, l := await(t, time.Hour)
		var log bytes.Buffer
		synctest.Wait() // the port is open
		p.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		for _, from := range []string{"198.51.100.8", "192.0.2.1", "2001:db8::1", "::ffff:198.51.100.8", "::198.51.100.7"} {
			wantEnd(t, m.dial(t, netip.MustParseAddr(from), only))
		}
		m.dial(t, client, only)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := AddrPort(conn.RemoteAddr()).Addr(); got != client {
			t.Errorf("the connection is from %v; want %v", got, client)
		}
		if got := p.Strangers(); got != 5 {
			t.Errorf("%d strangers were counted; want 5", got)
		}
		if n := strings.Count(log.String(), "level=DEBUG"); n != 5 || !strings.Contains(log.String(), "stranger=[2001:db8::1]:33333") {
			t.Errorf("the log has %d lines about 5 strangers:\n%s", n, log.String())
		}
	})
}

func TestMappedAddressesAreIPv4(t *testing.T) {
	mapped := func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
	for _, tt := range []struct{ local, peer, from netip.Addr }{
		{mapped(server), mapped(client), client},
		{server, client, mapped(client)},
		{mapped(server), mapped(client), mapped(client)},
	} {
		m := newMemory()
		p := &Ports{First: 60000, Last: 60000, Log: silent, ListenFunc: m.listen}
		l, err := p.Listen(t.Context(), Claim{Local: tt.local, Peer: tt.peer, Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		m.dial(t, tt.from, only)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, err := l.Conn(ctx)
		if err != nil {
			t.Errorf("on %v, from %v where %v may come: %v", tt.local, tt.from, tt.peer, err)
		} else {
			conn.Close()
		}
		cancel()
		l.Close()
	}
}

func TestCloseEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := await(t, time.Hour)
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
		if m.sockets[only] != nil {
			t.Error("the port is still bound after Close")
		}
	})
}

func TestCloseDropsAConnectionThatNobodyTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := await(t, time.Hour)
		near := m.dial(t, client, only)
		synctest.Wait()
		l.Close()
		wantEnd(t, near)
		if _, err := l.Conn(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Conn after Close: %v; want net.ErrClosed", err)
		}
	})
}

func TestCloseLeavesAConnectionThatWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := await(t, time.Hour)
		near := m.dial(t, client, only)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		l.Close()
		go conn.Write([]byte("x"))
		if n, err := near.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("after Close, read %d bytes, %v; want 1", n, err)
		}
	})
}

func TestConnEndsWithItsContextAndTheWaitGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, l := await(t, time.Hour)
		reason := errors.New("ABOR")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		if _, err := l.Conn(ctx); !errors.Is(err, reason) {
			t.Errorf("got %v; want the cause of the cancel", err)
		}
		m.dial(t, client, only)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}

func TestListenSurvivesItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := &Ports{First: 60000, Last: 60000, ListenFunc: m.listen}
		ctx, cancel := context.WithCancel(t.Context())
		l, err := p.Listen(ctx, anHour)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		cancel()
		synctest.Wait()
		m.dial(t, client, only)
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}
