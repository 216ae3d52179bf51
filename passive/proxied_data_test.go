package passive

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func proxying(m *memory) *Ports {
	p := sharing(m, 1)
	p.ProxyFrom = balancers
	return p
}

func TestDataConnectionsThroughAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := proxying(m)
		ours, theirs := claim(t, p, plain(client)), claim(t, p, plain(other))
		refused := []string{
			header(t, 2, netip.MustParseAddrPort("203.0.113.9:5000"), known), // a stranger
			local(t),             // not a client
			"no header at all\n", // not a proxy
		}
		for _, says := range refused {
			near := m.dial(t, balancer, only)
			io.WriteString(near, says)
			wantEnd(t, near)
		}
		wantEnd(t, m.dial(t, netip.MustParseAddr("203.0.113.9"), only))
		synctest.Wait()
		if got := p.Strangers(); got != 4 {
			t.Errorf("%d strangers; want 4", got)
		}
		go io.WriteString(m.dial(t, balancer, only), header(t, 1, netip.AddrPortFrom(client, 5000), known)+"hello   ")
		wantID(t, ours, "hello")
		conn := m.dial(t, other, only) // not through the proxy
		go io.WriteString(conn, header(t, 1, netip.AddrPortFrom(client, 5000), known))
		said := make([]byte, 6)
		far, err := theirs.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer far.Close()
		if _, err := io.ReadFull(far, said); err != nil || !bytes.Equal(said, []byte("PROXY ")) {
			t.Errorf("read %q, %v; want what looks like a header", said, err)
		}
	})
}

func TestAProxysOwnAddressIsNotTheClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := proxying(m)
		l := claim(t, p, plain(client))
		near := m.dial(t, balancer, only)
		go io.WriteString(near, header(t, 2, netip.AddrPortFrom(client, 5000), known))
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

func TestHeadersAreAwaitedSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := proxying(m)
		a, b := claim(t, p, shows(client, "a")), claim(t, p, shows(client, "b"))
		start := time.Now()
		late := m.dial(t, balancer, only)
		near := m.dial(t, balancer, only)
		go io.WriteString(near, header(t, 2, netip.AddrPortFrom(client, 5000), known)+"b       ")
		wantID(t, b, "b")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v behind a silent connection", waited)
		}
		wantEnd(t, late)
		synctest.Wait()
		if waited := time.Since(start); waited != headerTime || p.Strangers() != 1 {
			t.Errorf("the silent one was dropped after %v, %d strangers; want %v, 1", waited, p.Strangers(), headerTime)
		}
		silent := m.dial(t, balancer, only)
		synctest.Wait()
		a.Close() // nobody waits: the silent one ends at once, and is no stranger
		wantEnd(t, silent)
		synctest.Wait()
		if waited := time.Since(start); waited != headerTime || p.Strangers() != 1 {
			t.Errorf("dropped after %v, %d strangers", waited, p.Strangers())
		}
	})
}

func TestALateHeaderIsForThoseWhoWaitedThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := proxying(m)
		claim(t, p, plain(other)) // keeps the port open
		first := claim(t, p, plain(client))
		near := m.dial(t, balancer, only)
		synctest.Wait()
		first.Close()
		second := claim(t, p, plain(client))
		go io.WriteString(near, header(t, 1, netip.AddrPortFrom(client, 5000), known))
		wantEnd(t, near)
		go io.WriteString(m.dial(t, balancer, only), header(t, 1, netip.AddrPortFrom(client, 5001), known)+"second  ")
		wantID(t, second, "second")
	})
}
