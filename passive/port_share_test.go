package passive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// other is a second client, from another address.
var other = netip.MustParseAddr("198.51.100.8")

// withID returns a claim of a client with an ID, which waits for an hour.
func withID(peer netip.Addr, id string) Claim {
	return Claim{Local: server, Peer: peer, Timeout: time.Hour, ID: id, Identify: identify}
}

// identifiedBy returns a claim of client with this Identify.
func identifiedBy(id string, identify func(context.Context, net.Conn) (net.Conn, string)) Claim {
	c := withID(client, id)
	c.Identify = identify
	return c
}

// withoutID returns a claim that matches by address alone, which waits for an hour.
func withoutID(peer netip.Addr) Claim { return Claim{Local: server, Peer: peer, Timeout: time.Hour} }

// identify reads an ID of 8 bytes, padded with spaces or dashes. An EOF before it is a failed connection.
func identify(_ context.Context, conn net.Conn) (net.Conn, string) {
	got := make([]byte, 8)
	if n, err := io.ReadFull(conn, got); err != nil && n == 0 {
		return nil, ""
	}
	return rewoundConn{conn, io.MultiReader(bytes.NewReader(got), conn)}, string(bytes.Trim(got, "- "))
}

// A rewoundConn yields data again that identify has read.
type rewoundConn struct {
	net.Conn
	all io.Reader
}

func (a rewoundConn) Read(p []byte) (int, error) { return a.all.Read(p) }

// newPorts returns a range of n ports on m.
func newPorts(m *memoryNet, n uint16) *Ports {
	return &Ports{First: 60000, Last: 59999 + n, Log: silent, ListenFunc: m.listen}
}

// listen returns a listener for c, which the end of the test closes.
func listen(t *testing.T, p *Ports, c Claim) *Listener {
	t.Helper()
	l, err := p.Listen(t.Context(), c)
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// dialWithID connects to onlyAddr and sends an ID.
func (m *memoryNet) dialWithID(t *testing.T, from netip.Addr, id string) net.Conn {
	t.Helper()
	conn := m.dial(t, from, onlyAddr)
	go fmt.Fprintf(conn, "%-8s", id)
	return conn
}

// wantID checks that l gets the connection that sent this ID, and can read the ID from it.
func wantID(t *testing.T, l *Listener, id string) {
	t.Helper()
	conn, err := l.Conn(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	t.Cleanup(func() { conn.Close() })
	got := make([]byte, 8)
	if _, err := io.ReadFull(conn, got); err != nil || string(bytes.TrimSpace(got)) != id {
		t.Errorf("the claim of %s has the connection with ID %q, %v", l.claim.ID, got, err)
	}
}

func TestClaimsThatCanShareAPort(t *testing.T) {
	for _, tt := range []struct {
		name     string
		existing []Claim
		added    Claim
		want     bool
	}{
		{"other addresses, without IDs", []Claim{withoutID(other)}, withoutID(client), true},
		{"other addresses, with one ID", []Claim{withID(other, "id")}, withID(client, "id"), true},
		{"one address, no IDs", []Claim{withoutID(client)}, withoutID(client), false},
		{"one address, all with IDs", []Claim{withID(client, "1"), withID(client, "2")}, withID(client, "3"), true},
		{"one address, one ID twice", []Claim{withID(client, "1")}, withID(client, "1"), false},
		{"one address, one without an ID is added", []Claim{withID(client, "1")}, withoutID(client), false},
		{"one address, one without an ID exists", []Claim{withoutID(client)}, withID(client, "1"), false},
		{"other local addresses", []Claim{{Local: other, Peer: client, Timeout: time.Hour}}, withoutID(client), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPorts(newMemoryNet(), 1)
				for _, c := range tt.existing {
					listen(t, p, c)
				}
				start := time.Now()
				l, err := p.Listen(t.Context(), tt.added)
				if err == nil {
					defer l.Close()
				}
				if shared := err == nil; shared != tt.want || err != nil && !errors.Is(err, ErrNoPort) {
					t.Errorf("shared: %v, %v; want %v", shared, err, tt.want)
				}
				if waited := time.Since(start); tt.want && waited != 0 {
					t.Errorf("waited %v for a port that can be shared at once", waited)
				}
			})
		})
	}
}

func TestFreePortsAreUsedBeforeSharing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 5)
		first := listen(t, p, withID(client, "first"))
		for i := range 4 {
			listen(t, p, withID(client, fmt.Sprint(i)))
		}
		if len(m.sockets) != 5 {
			t.Errorf("5 claims wait on %d ports of 5", len(m.sockets))
		}
		listen(t, p, withID(client, "shares")).Close()
		first.Close() // frees its port
		if listen(t, p, withID(client, "again")); len(m.sockets) != 5 {
			t.Errorf("a port was shared although another one was free")
		}
		shared := make(map[uint16]int) // five more claims spread over the five ports
		for i := range 5 {
			shared[listen(t, p, withID(client, fmt.Sprint(4+i))).Port()]++
		}
		if len(shared) != 5 {
			t.Errorf("5 more claims of one address wait on ports %v; want one more on each", shared)
		}
		for range 3 { // a claim of another client goes to a port without claims of its own
			if l := listen(t, p, withoutID(other)); len(l.port.listeners) != 3 {
				t.Errorf("a claim of another client shares its port with %d others; want 2", len(l.port.listeners)-1)
			}
		}
	})
}

func TestClaimsOfOneAddressShareAPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		var all []*Listener
		for i := range 24 {
			all = append(all, listen(t, p, withID(client, fmt.Sprintf("id%02d", i))))
		}
		otherClient := listen(t, p, withoutID(other))
		for i := range all { // in reverse order
			m.dialWithID(t, client, fmt.Sprintf("id%02d", len(all)-1-i))
			wantDropped(t, m.dial(t, netip.MustParseAddr("203.0.113.9"), onlyAddr))
		}
		for i, l := range all {
			wantID(t, l, fmt.Sprintf("id%02d", i))
		}
		m.dialWithID(t, other, "hello")
		wantID(t, otherClient, "hello")
		if p.Rejected() != 24 || m.binds != 1 || len(m.sockets) != 0 || len(p.queues) != 0 {
			t.Errorf("%d connections rejected, %d binds, %d sockets and %d queues left; want 24, 1, 0, 0",
				p.Rejected(), m.binds, len(m.sockets), len(p.queues))
		}
	})
}

func TestConnectionWithUnknownIDIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryNet()
		p := newPorts(m, 1)
		a, b := listen(t, p, withID(client, "a")), listen(t, p, withID(client, "b"))
		listen(t, p, withID(other, "theirs")) // no claim of client has this ID
		for range 2 {
			for _, id := range []string{"--------", "unknown", "theirs"} {
				wantDropped(t, m.dialWithID(t, client, id))
			}
			if a != nil {
				m.dialWithID(t, client, "a")
				wantID(t, a, "a")
				a = nil // in the second round b alone waits
			}
		}
		if p.Rejected() != 6 {
			t.Errorf("%d connections rejected; want 6", p.Rejected())
		}
		m.dialWithID(t, client, "b")
		wantID(t, b, "b")
	})
}

func TestListenRejectsIDWithoutIdentify(t *testing.T) {
	p := &Ports{First: 60000, Last: 60000, Log: silent, ListenFunc: newMemoryNet().listen}
	if _, err := p.Listen(t.Context(), identifiedBy("a", nil)); err == nil {
		t.Error("a claim with an ID and without Identify was accepted")
	}
}
