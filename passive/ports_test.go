package passive

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// holdPort listens for an hour on a port of the range.
func holdPort(t *testing.T, p *Ports, local netip.Addr) *Listener {
	t.Helper()
	return listen(t, p, Claim{Local: local, Peer: client, Timeout: time.Hour})
}

func TestPortsAreBoundOnDemand(t *testing.T) {
	m := newMemoryNet()
	p := &Ports{First: 60000, Last: 60009, ListenFunc: m.listen}
	if m.binds != 0 {
		t.Errorf("%d ports were bound before Listen", m.binds)
	}
	l := holdPort(t, p, server)
	if m.binds != 1 || l.Port() < 60000 || l.Port() > 60009 {
		t.Errorf("%d ports bound, the last is %d; want one, from 60000 to 60009", m.binds, l.Port())
	}
}

func TestRangeIsUsedToItsLastPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := &Ports{First: 60000, Last: 60009, ListenFunc: m.listen}
		seen := make(map[uint16]bool)
		start := time.Now()
		for range 10 {
			seen[holdPort(t, p, server).Port()] = true
		}
		if len(seen) != 10 || time.Since(start) != 0 {
			t.Errorf("got %d ports in %v; want 10, at once", len(seen), time.Since(start))
		}
	})
}

func TestPortsUpTo65535(t *testing.T) {
	m := newMemoryNet()
	p := &Ports{First: 65534, Last: 65535, ListenFunc: m.listen}
	if a, b := holdPort(t, p, server).Port(), holdPort(t, p, server).Port(); a+b != 65534+65535-65536 {
		t.Errorf("got %d and %d; want 65534 and 65535", a, b)
	}
}

func TestErrNoPortAfterTheWait(t *testing.T) {
	for _, tt := range []struct{ wait, want time.Duration }{{0, 2 * time.Second}, {5 * time.Second, 5 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			p := &Ports{First: 60000, Last: 60001, Wait: tt.wait, ListenFunc: newMemoryNet().listen}
			holdPort(t, p, server)
			holdPort(t, p, server)
			start := time.Now()
			l, err := p.Listen(t.Context(), oneHour)
			if !errors.Is(err, ErrNoPort) || l != nil {
				t.Errorf("a full range gave %v, %v; want ErrNoPort", l, err)
			}
			if waited := time.Since(start); waited != tt.want {
				t.Errorf("Wait %v: waited %v; want %v", tt.wait, waited, tt.want)
			}
		})
	}
}

func TestFullRangeRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Ports{First: 60000, Last: 60099, ListenFunc: newMemoryNet().listen}
		idle := oneHour
		idle.Timeout = 20 * time.Second
		for range 2 {
			start := time.Now()
			for range 100 {
				listen(t, p, idle)
			}
			if _, err := p.Listen(t.Context(), idle); !errors.Is(err, ErrNoPort) || time.Since(start) != 2*time.Second {
				t.Errorf("the 101st session got %v after %v; want ErrNoPort after 2s", err, time.Since(start))
			}
			<-time.After(18 * time.Second) // until the claims time out
			synctest.Wait()
		}
	})
}

func TestListenEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := &Ports{First: 60000, Last: 60000, ListenFunc: m.listen}
		reason := errors.New("client closed the control connection")
		ctx, cancel := context.WithCancelCause(t.Context())
		held := holdPort(t, p, server)
		time.AfterFunc(time.Second, func() { cancel(reason) })
		start := time.Now()
		if _, err := p.Listen(ctx, oneHour); !errors.Is(err, reason) || errors.Is(err, ErrNoPort) {
			t.Errorf("got %v; want the cause of the context", err)
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v; want 1s", waited)
		}

		held.Close()
		before := m.binds
		if l, err := p.Listen(ctx, oneHour); !errors.Is(err, reason) || m.binds != before {
			t.Errorf("with a canceled context: %v, %v, %d sockets; want its cause and no socket", l, err, m.binds-before)
		}
	})
}

func TestPortsOfOtherPrograms(t *testing.T) {
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(server, port) }
	t.Run("are skipped", func(t *testing.T) {
		m := newMemoryNet()
		for port := uint16(60000); port < 60009; port++ {
			m.occupy(at(port), []syscall.Errno{syscall.EADDRINUSE, syscall.EACCES}[port%2])
		}
		p := &Ports{First: 60000, Last: 60009, ListenFunc: m.listen}
		if got := holdPort(t, p, server).Port(); got != 60009 {
			t.Errorf("got port %d; want 60009, the only free one", got)
		}
	})
	t.Run("are polled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newMemoryNet()
			m.occupy(at(60000), syscall.EADDRINUSE)
			p := &Ports{First: 60000, Last: 60000, ListenFunc: m.listen}
			time.AfterFunc(700*time.Millisecond, func() { m.occupy(at(60000), 0) })
			start := time.Now()
			holdPort(t, p, server)
			if waited := time.Since(start); waited > 700*time.Millisecond+scanInterval || m.binds > 5 {
				t.Errorf("got the port after %v and %d trials; want it soon after 700ms, without a busy loop", waited, m.binds)
			}
		})
	})
	t.Run("need a privilege", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newMemoryNet()
			m.occupy(at(80), syscall.EACCES)
			_, err := (&Ports{First: 80, Last: 80, ListenFunc: m.listen}).Listen(t.Context(), oneHour)
			if !errors.Is(err, ErrNoPort) || !errors.Is(err, syscall.EACCES) {
				t.Errorf("got %v; want ErrNoPort with its cause, EACCES", err)
			}
		})
	})
}

func TestOtherErrorsEndTheScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, errno := range []syscall.Errno{syscall.EAFNOSUPPORT, syscall.EADDRNOTAVAIL} {
			m := newMemoryNet()
			for port := uint16(60000); port < 60010; port++ {
				m.occupy(netip.AddrPortFrom(server, port), errno)
			}
			start := time.Now()
			p := &Ports{First: 60000, Last: 60009, ListenFunc: m.listen}
			_, err := p.Listen(t.Context(), oneHour)
			if !errors.Is(err, errno) || errors.Is(err, ErrNoPort) || m.binds != 1 || time.Since(start) != 0 {
				t.Errorf("got %v after %d trials and %v; want %v after one", err, m.binds, time.Since(start), errno)
			}
			if len(p.queues) != 0 {
				t.Errorf("%d queues are left after the error", len(p.queues))
			}
		}
	})
}

func TestListenRejectsInvalidArguments(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, last uint16
		local, peer netip.Addr
		want        string
	}{
		{"reversed", 9, 8, server, client, "invalid port range 9-8"},
		{"open below", 0, 8, server, client, "invalid port range 0-8"},
		{"no local address", 8, 9, netip.Addr{}, client, "must be addresses"},
		{"no peer", 8, 9, server, netip.Addr{}, "must be addresses"},
	} {
		m := newMemoryNet()
		p := &Ports{First: tt.first, Last: tt.last, ListenFunc: m.listen}
		_, err := p.Listen(t.Context(), Claim{Local: tt.local, Peer: tt.peer, Timeout: time.Hour})
		if err == nil || !strings.Contains(err.Error(), tt.want) || m.binds != 0 {
			t.Errorf("%s: got %v and %d sockets; want %q and none", tt.name, err, m.binds, tt.want)
		}
	}
}

func TestZeroRangeUsesAnyPort(t *testing.T) {
	p := &Ports{ListenFunc: newMemoryNet().listen}
	a, b := holdPort(t, p, server).Port(), holdPort(t, p, server).Port()
	if a == 0 || b == 0 || a == b {
		t.Errorf("got ports %d and %d; want two different ports of the system", a, b)
	}
}
