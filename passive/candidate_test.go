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

// A claim ends in several ways while its connection is still being identified.
func TestEndedClaimGetsNoConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, m *memoryNet, l *Listener)
	}{
		{"closed", func(_ *testing.T, _ *memoryNet, l *Listener) { l.Close() }},
		{"timed out", func(t *testing.T, _ *memoryNet, l *Listener) {
			if _, err := l.Conn(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v; want os.ErrDeadlineExceeded", err)
			}
		}},
		{"served", func(t *testing.T, m *memoryNet, l *Listener) {
			m.dialWithID(t, client, "a")
			wantID(t, l, "a")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemoryNet()
				p := newPorts(m, 1)
				brief := withID(client, "a")
				brief.Timeout = time.Minute
				a := listen(t, p, brief)
				b, c := listen(t, p, withID(client, "b")), listen(t, p, withID(client, "c"))
				clientEnd := m.dial(t, client, onlyAddr)
				synctest.Wait() // Identify is reading
				tt.end(t, m, a)
				go io.WriteString(clientEnd, "a-------")
				wantDropped(t, clientEnd)
				m.dialWithID(t, client, "c")
				wantID(t, c, "c")
				m.dialWithID(t, client, "b")
				wantID(t, b, "b")
			})
		})
	}
}

func TestFailedConnectionIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		a := listen(t, p, withID(client, "a"))
		m.dial(t, client, onlyAddr).Close()
		synctest.Wait()
		if p.Rejected() != 1 {
			t.Errorf("%d connections rejected; want 1", p.Rejected())
		}
		m.dialWithID(t, client, "a")
		wantID(t, a, "a")
	})
}

func TestCloseDropsIdentifiedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		a := listen(t, p, withID(client, "a"))
		listen(t, p, withID(client, "b"))
		clientEnd := m.dialWithID(t, client, "a")
		synctest.Wait()
		a.Close()
		wantDropped(t, clientEnd)
	})
}

func TestConnectionOlderThanClaimIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		listen(t, p, withoutID(other)) // keeps the port open
		a, b := listen(t, p, withID(client, "a")), listen(t, p, withID(client, "b"))
		clientEnd := m.dial(t, client, onlyAddr)
		synctest.Wait()
		late := listen(t, p, withID(client, "late"))
		a.Close()
		go io.WriteString(clientEnd, "late----")
		wantDropped(t, clientEnd)
		m.dialWithID(t, client, "b")
		wantID(t, b, "b")
		m.dialWithID(t, client, "late")
		wantID(t, late, "late")
	})
}

// A connection that sends nothing is dropped when no listener for its address waits any more, even if others share the port.
func TestIdentificationIsCanceledWithLastOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		var ends []error
		blocks := func(ctx context.Context, conn net.Conn) (net.Conn, string) {
			_, err := conn.Read(make([]byte, 1))
			ends = append(ends, context.Cause(ctx), err)
			return conn, "a"
		}
		listen(t, p, withoutID(other))
		a, b := listen(t, p, identifiedBy("a", blocks)), listen(t, p, identifiedBy("b", blocks))
		clientEnd := m.dial(t, client, onlyAddr)
		synctest.Wait()
		a.Close()
		synctest.Wait()
		if ends != nil {
			t.Error("identification ended while b was waiting")
		}
		b.Close()
		wantDropped(t, clientEnd)
		synctest.Wait()
		if len(ends) != 2 || !errors.Is(ends[0], context.Canceled) || !errors.Is(ends[1], io.ErrClosedPipe) {
			t.Errorf("identification ended with %v; want context.Canceled and io.ErrClosedPipe", ends)
		}
		if p.Rejected() != 0 {
			t.Errorf("%d connections rejected; want 0, because the address was right", p.Rejected())
		}
	})
}

func TestCandidatesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		a, b := listen(t, p, withID(client, "a")), listen(t, p, withID(client, "b"))
		otherClient := listen(t, p, withID(other, "hello"))
		var silent []net.Conn
		for range maxCandidatesPerClient {
			silent = append(silent, m.dial(t, client, onlyAddr))
		}
		synctest.Wait()
		if p.Rejected() != 0 {
			t.Errorf("%d of %d were rejected", p.Rejected(), maxCandidatesPerClient)
		}
		wantDropped(t, m.dialWithID(t, client, "a")) // over the limit
		m.dialWithID(t, other, "hello")              // another client is not affected
		wantID(t, otherClient, "hello")
		silent[7].Close()
		synctest.Wait() // one candidate less
		m.dialWithID(t, client, "a")
		wantID(t, a, "a")
		if p.Rejected() != 2 {
			t.Errorf("%d connections rejected; want 2: the one over the limit and the closed one", p.Rejected())
		}
		b.Close()
		for _, conn := range silent {
			if conn != silent[7] {
				wantDropped(t, conn)
			}
		}
	})
}

// A brokenListener returns the errors of fails from Accept.
type brokenListener struct {
	net.Listener
	fails chan error
}

func (b brokenListener) Accept() (net.Conn, error) { return nil, <-b.fails }

func TestSocketErrorEndsAllWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		broken := errors.New("the network is down")
		fails := make(chan error)
		p.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
			l, err := m.listen(ctx, network, address)
			if m.binds == 1 {
				l = brokenListener{l, fails}
			}
			return l, err
		}
		a, b := listen(t, p, withID(client, "a")), listen(t, p, withoutID(other))
		queued := make(chan *Listener)
		go func() { queued <- listen(t, p, withID(client, "a")) }() // waits until a ends
		synctest.Wait()
		fails <- broken
		for _, l := range []*Listener{a, b} {
			if _, err := l.Conn(t.Context()); !errors.Is(err, broken) {
				t.Errorf("%v; want %v", err, broken)
			}
		}
		l := <-queued
		m.dialWithID(t, client, "a")
		wantID(t, l, "a")
		if m.binds != 2 || m.clashes != 0 {
			t.Errorf("%d binds, %d clashes; want a new socket for the queued claim", m.binds, m.clashes)
		}
	})
}

// Two sessions of one IPv6 network count as one client for the limit of candidates.
func TestCandidatesOfOneNetworkAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		p.Group = func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 64).Masked() }
		at := netip.AddrPortFrom(netip.MustParseAddr("2001:db8:1::1"), onlyAddr.Port())
		first, second := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		for _, peer := range []netip.Addr{first, second} {
			c := withID(peer, peer.String())
			c.Local = at.Addr()
			listen(t, p, c)
		}
		for range maxCandidatesPerClient {
			m.dial(t, first, at)
			m.dial(t, second, at)
		}
		synctest.Wait()
		if n := p.Rejected(); n != maxCandidatesPerClient {
			t.Errorf("%d of %d connections from one /64 were rejected; want %d", n, 2*maxCandidatesPerClient, maxCandidatesPerClient)
		}
	})
}
