package passive

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// How the wait of a claim may end while its connection is in examination.
func TestAClaimThatEndedDoesNotGetItsConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, m *memory, l *Listener)
	}{
		{"closed", func(_ *testing.T, _ *memory, l *Listener) { l.Close() }},
		{"timed out", func(t *testing.T, _ *memory, l *Listener) {
			if _, err := l.Conn(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v; want os.ErrDeadlineExceeded", err)
			}
		}},
		{"served", func(t *testing.T, m *memory, l *Listener) {
			m.show(t, client, "a")
			wantID(t, l, "a")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				p := sharing(m, 1)
				brief := shows(client, "a")
				brief.Timeout = time.Minute
				a := claim(t, p, brief)
				b, c := claim(t, p, shows(client, "b")), claim(t, p, shows(client, "c"))
				near := m.dial(t, client, only)
				synctest.Wait() // it is asked for its ID
				tt.end(t, m, a)
				go io.WriteString(near, "a-------")
				wantEnd(t, near)
				m.show(t, client, "c")
				wantID(t, c, "c")
				m.show(t, client, "b")
				wantID(t, b, "b")
			})
		})
	}
}

func TestABrokenConnectionIsNobodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		a := claim(t, p, shows(client, "a"))
		m.dial(t, client, only).Close()
		synctest.Wait()
		if p.Strangers() != 1 {
			t.Errorf("%d strangers; want 1", p.Strangers())
		}
		m.show(t, client, "a")
		wantID(t, a, "a")
	})
}

func TestAnIdentifiedConnectionThatNobodyTookIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		a := claim(t, p, shows(client, "a"))
		claim(t, p, shows(client, "b"))
		near := m.show(t, client, "a")
		synctest.Wait()
		a.Close()
		wantEnd(t, near)
	})
}

func TestNobodyGetsAConnectionThatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		claim(t, p, plain(other)) // keeps the port open
		a, b := claim(t, p, shows(client, "a")), claim(t, p, shows(client, "b"))
		near := m.dial(t, client, only)
		synctest.Wait()
		late := claim(t, p, shows(client, "late"))
		a.Close()
		go io.WriteString(near, "late----")
		wantEnd(t, near)
		m.show(t, client, "b")
		wantID(t, b, "b")
		m.show(t, client, "late")
		wantID(t, late, "late")
	})
}

// Silent connections are ended when nobody waits for one from their address, whoever else waits at the door.
func TestSilentConnectionsEndWithTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		var ends []error
		blocks := func(ctx context.Context, conn net.Conn) (net.Conn, string) {
			_, err := conn.Read(make([]byte, 1))
			ends = append(ends, context.Cause(ctx), err)
			return conn, "a"
		}
		claim(t, p, plain(other))
		a, b := claim(t, p, identified("a", blocks)), claim(t, p, identified("b", blocks))
		near := m.dial(t, client, only)
		synctest.Wait()
		a.Close()
		synctest.Wait()
		if ends != nil {
			t.Error("the examination was over while b waited")
		}
		b.Close()
		wantEnd(t, near)
		synctest.Wait()
		if len(ends) != 2 || !errors.Is(ends[0], context.Canceled) || !errors.Is(ends[1], io.ErrClosedPipe) {
			t.Errorf("the examination ended with %v; want a context and a connection that have ended", ends)
		}
		if p.Strangers() != 0 {
			t.Errorf("%d strangers; want none: the connection was from the right address", p.Strangers())
		}
	})
}

func TestConnectionsInExaminationAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		a, b := claim(t, p, shows(client, "a")), claim(t, p, shows(client, "b"))
		foreign := claim(t, p, shows(other, "hello"))
		var silent []net.Conn
		for range mostFromOne {
			silent = append(silent, m.dial(t, client, only))
		}
		synctest.Wait()
		if p.Strangers() != 0 {
			t.Errorf("%d of %d were dropped", p.Strangers(), mostFromOne)
		}
		wantEnd(t, m.show(t, client, "a")) // one too many
		m.show(t, other, "hello")          // to whom that is nothing
		wantID(t, foreign, "hello")
		silent[7].Close()
		synctest.Wait() // there is a place again
		m.show(t, client, "a")
		wantID(t, a, "a")
		if p.Strangers() != 2 {
			t.Errorf("%d strangers; want 2, the one too many and the one that has gone", p.Strangers())
		}
		b.Close()
		for _, conn := range silent {
			if conn != silent[7] {
				wantEnd(t, conn)
			}
		}
	})
}

// A brokenListener fails when it is told to.
type brokenListener struct {
	net.Listener
	fails chan error
}

func (b brokenListener) Accept() (net.Conn, error) { return nil, <-b.fails }

func TestAnErrorOfTheSocketEndsTheWaitOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		broken := errors.New("the network is down")
		fails := make(chan error)
		p.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
			l, err := m.listen(ctx, network, address)
			if m.binds == 1 {
				l = brokenListener{l, fails}
			}
			return l, err
		}
		a, b := claim(t, p, shows(client, "a")), claim(t, p, plain(other))
		queued := make(chan *Listener)
		go func() { queued <- claim(t, p, shows(client, "a")) }() // waits for a's place
		synctest.Wait()
		fails <- broken
		for _, l := range []*Listener{a, b} {
			if _, err := l.Conn(t.Context()); !errors.Is(err, broken) {
				t.Errorf("%v; want %v", err, broken)
			}
		}
		l := <-queued
		m.show(t, client, "a")
		wantID(t, l, "a")
		if m.binds != 2 || m.clashes != 0 {
			t.Errorf("%d binds, %d clashes; want a new socket for the one who waited", m.binds, m.clashes)
		}
	})
}

// Two sessions of one IPv6 network fill half of the places for connections in examination, and not all.
func TestOneNetworkLeavesPlacesToExamine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		p.Group = func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 64).Masked() }
		at := netip.AddrPortFrom(netip.MustParseAddr("2001:db8:1::1"), only.Port())
		near, twin := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		for _, peer := range []netip.Addr{near, twin} {
			c := shows(peer, peer.String())
			c.Local = at.Addr()
			claim(t, p, c)
		}
		for range mostFromOne {
			m.dial(t, near, at)
			m.dial(t, twin, at)
		}
		synctest.Wait()
		if n := p.Strangers(); n != mostFromOne {
			t.Errorf("%d of %d connections from one /64 were dropped; want %d", n, 2*mostFromOne, mostFromOne)
		}
	})
}
