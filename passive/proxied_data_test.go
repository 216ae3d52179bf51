package passive

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// newProxiedPorts returns one port behind the balancers.
func newProxiedPorts(m *memoryNet) *Ports {
	p := newPorts(m, 1)
	p.ProxyFrom = balancers
	return p
}

func TestDataConnectionsThroughAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newProxiedPorts(m)
		ours, theirs := listen(t, p, withoutID(client)), listen(t, p, withoutID(other))
		refused := []string{
			proxyHeader(t, 2, netip.MustParseAddrPort("203.0.113.9:5000"), publicAddr), // of another client
			localHeader(t),       // of the proxy's own connection
			"no header at all\n", // not a header
		}
		for _, sent := range refused {
			clientEnd := m.dial(t, balancer, onlyAddr)
			io.WriteString(clientEnd, sent)
			wantDropped(t, clientEnd)
		}
		wantDropped(t, m.dial(t, netip.MustParseAddr("203.0.113.9"), onlyAddr))
		synctest.Wait()
		if got := p.Rejected(); got != 4 {
			t.Errorf("%d connections rejected; want 4", got)
		}
		go io.WriteString(m.dial(t, balancer, onlyAddr), proxyHeader(t, 1, netip.AddrPortFrom(client, 5000), publicAddr)+"hello   ")
		wantID(t, ours, "hello")
		conn := m.dial(t, other, onlyAddr) // not from the proxy's network
		go io.WriteString(conn, proxyHeader(t, 1, netip.AddrPortFrom(client, 5000), publicAddr))
		got := make([]byte, 6)
		serverEnd, err := theirs.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer serverEnd.Close()
		if _, err := io.ReadFull(serverEnd, got); err != nil || !bytes.Equal(got, []byte("PROXY ")) {
			t.Errorf("read %q, %v; want the header as data", got, err)
		}
	})
}

func TestAddressOfDataConnectionThroughAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newProxiedPorts(m)
		l := listen(t, p, withoutID(client))
		clientEnd := m.dial(t, balancer, onlyAddr)
		go io.WriteString(clientEnd, proxyHeader(t, 2, netip.AddrPortFrom(client, 5000), publicAddr))
		conn, err := l.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := AddrPort(conn.RemoteAddr()); got != netip.AddrPortFrom(client, 5000) {
			t.Errorf("the connection is from %v; want %v", got, client)
		}
	})
}

func TestHeadersAreReadConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newProxiedPorts(m)
		a, b := listen(t, p, withID(client, "a")), listen(t, p, withID(client, "b"))
		start := time.Now()
		late := m.dial(t, balancer, onlyAddr)
		clientEnd := m.dial(t, balancer, onlyAddr)
		go io.WriteString(clientEnd, proxyHeader(t, 2, netip.AddrPortFrom(client, 5000), publicAddr)+"b       ")
		wantID(t, b, "b")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a connection without a header", waited)
		}
		wantDropped(t, late)
		synctest.Wait()
		if waited := time.Since(start); waited != headerTimeout || p.Rejected() != 1 {
			t.Errorf("the connection without a header was dropped after %v, %d rejected; want %v, 1", waited, p.Rejected(), headerTimeout)
		}
		silent := m.dial(t, balancer, onlyAddr)
		synctest.Wait()
		a.Close() // no claim waits: the connection is dropped, and not counted as rejected
		wantDropped(t, silent)
		synctest.Wait()
		if waited := time.Since(start); waited != headerTimeout || p.Rejected() != 1 {
			t.Errorf("dropped after %v, %d rejected", waited, p.Rejected())
		}
	})
}

func TestLateHeaderMatchesOldClaimsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newProxiedPorts(m)
		listen(t, p, withoutID(other)) // keeps the port open
		first := listen(t, p, withoutID(client))
		clientEnd := m.dial(t, balancer, onlyAddr)
		synctest.Wait()
		first.Close()
		second := listen(t, p, withoutID(client))
		go io.WriteString(clientEnd, proxyHeader(t, 1, netip.AddrPortFrom(client, 5000), publicAddr))
		wantDropped(t, clientEnd)
		go io.WriteString(m.dial(t, balancer, onlyAddr), proxyHeader(t, 1, netip.AddrPortFrom(client, 5001), publicAddr)+"second  ")
		wantID(t, second, "second")
	})
}
