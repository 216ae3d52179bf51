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

// Claims of clients with TLS and without, who all have an hour.
func shows(peer netip.Addr, id string) Claim {
	return Claim{Local: server, Peer: peer, Timeout: time.Hour, ID: id, Identify: identify}
}

// identified returns a claim of client whose ID is found in another way.
func identified(id string, identify func(context.Context, net.Conn) (net.Conn, string)) Claim {
	c := shows(client, id)
	c.Identify = identify
	return c
}

func plain(peer netip.Addr) Claim { return Claim{Local: server, Peer: peer, Timeout: time.Hour} }

// identify takes the first 8 bytes of a connection for its ID; dashes are none, and an end is a broken connection.
func identify(_ context.Context, conn net.Conn) (net.Conn, string) {
	said := make([]byte, 8)
	if n, err := io.ReadFull(conn, said); err != nil && n == 0 {
		return nil, ""
	}
	return again{conn, io.MultiReader(bytes.NewReader(said), conn)}, string(bytes.Trim(said, "- "))
}

// An again is a connection of which something has been read, and can be read again.
type again struct {
	net.Conn
	all io.Reader
}

func (a again) Read(p []byte) (int, error) { return a.all.Read(p) }

// sharing returns a range of ports where claims of one peer are told apart.
func sharing(m *memory, ports uint16) *Ports {
	return &Ports{First: 60000, Last: 59999 + ports, Log: silent, ListenFunc: m.listen}
}

// claim lets a claim wait until the test, or the caller, closes it.
func claim(t *testing.T, p *Ports, c Claim) *Listener {
	t.Helper()
	l, err := p.Listen(t.Context(), c)
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// show connects to the only port and shows an ID.
func (m *memory) show(t *testing.T, from netip.Addr, id string) net.Conn {
	t.Helper()
	conn := m.dial(t, from, only)
	go fmt.Fprintf(conn, "%-8s", id)
	return conn
}

// wantID checks that l gets the connection that has shown this ID, and all that was sent on it.
func wantID(t *testing.T, l *Listener, id string) {
	t.Helper()
	conn, err := l.Conn(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	t.Cleanup(func() { conn.Close() })
	said := make([]byte, 8)
	if _, err := io.ReadFull(conn, said); err != nil || string(bytes.TrimSpace(said)) != id {
		t.Errorf("the claim of %s has the connection that shows %q, %v", l.claim.ID, said, err)
	}
}

func TestWhoMayShareAPort(t *testing.T) {
	for _, tt := range []struct {
		name  string
		there []Claim
		comes Claim
		want  bool
	}{
		{"other addresses, without IDs", []Claim{plain(other)}, plain(client), true},
		{"other addresses, with one ID", []Claim{shows(other, "id")}, shows(client, "id"), true},
		{"one address, no IDs", []Claim{plain(client)}, plain(client), false},
		{"one address, all with IDs", []Claim{shows(client, "1"), shows(client, "2")}, shows(client, "3"), true},
		{"one address, one ID twice", []Claim{shows(client, "1")}, shows(client, "1"), false},
		{"one address, one without an ID comes", []Claim{shows(client, "1")}, plain(client), false},
		{"one address, one without an ID is there", []Claim{plain(client)}, shows(client, "1"), false},
		{"other local addresses", []Claim{{Local: other, Peer: client, Timeout: time.Hour}}, plain(client), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := sharing(newMemory(), 1)
				for _, c := range tt.there {
					claim(t, p, c)
				}
				start := time.Now()
				l, err := p.Listen(t.Context(), tt.comes)
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

func TestFreePortsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 5)
		first := claim(t, p, shows(client, "first"))
		for i := range 4 {
			claim(t, p, shows(client, fmt.Sprint(i)))
		}
		if len(m.sockets) != 5 {
			t.Errorf("5 claims wait on %d ports of 5", len(m.sockets))
		}
		claim(t, p, shows(client, "shares")).Close()
		first.Close() // and its port is free again
		if claim(t, p, shows(client, "again")); len(m.sockets) != 5 {
			t.Errorf("a port was shared though another one was free")
		}
		shared := make(map[uint16]int) // five more spread over the five
		for i := range 5 {
			shared[claim(t, p, shows(client, fmt.Sprint(4+i))).Port()]++
		}
		if len(shared) != 5 {
			t.Errorf("5 more claims of one address wait on ports %v; want one more on each", shared)
		}
		for range 3 { // and another client goes where nobody of its own is
			if l := claim(t, p, plain(other)); len(l.door.claims) != 3 {
				t.Errorf("another client waits with %d others; want 2", len(l.door.claims)-1)
			}
		}
	})
}

func TestSessionsOfOneAddressShareAPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		var all []*Listener
		for i := range 24 {
			all = append(all, claim(t, p, shows(client, fmt.Sprintf("id%02d", i))))
		}
		foreign := claim(t, p, plain(other))
		for i := range all { // the last first
			m.show(t, client, fmt.Sprintf("id%02d", len(all)-1-i))
			wantEnd(t, m.dial(t, netip.MustParseAddr("203.0.113.9"), only))
		}
		for i, l := range all {
			wantID(t, l, fmt.Sprintf("id%02d", i))
		}
		m.show(t, other, "hello")
		wantID(t, foreign, "hello")
		if p.Strangers() != 24 || m.binds != 1 || len(m.sockets) != 0 || len(p.lines) != 0 {
			t.Errorf("%d strangers, %d binds; %d sockets and %d lines left over; want 24, 1, 0, 0",
				p.Strangers(), m.binds, len(m.sockets), len(p.lines))
		}
	})
}

func TestAConnectionThatShowsNoIDOfThoseWhoWaitIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := sharing(m, 1)
		a, b := claim(t, p, shows(client, "a")), claim(t, p, shows(client, "b"))
		claim(t, p, shows(other, "theirs")) // whose ID is nobody's at the client's address
		for range 2 {
			for _, id := range []string{"--------", "unknown", "theirs"} {
				wantEnd(t, m.show(t, client, id))
			}
			if a != nil {
				m.show(t, client, "a")
				wantID(t, a, "a")
				a = nil // and now that b alone is left
			}
		}
		if p.Strangers() != 6 {
			t.Errorf("%d strangers; want 6", p.Strangers())
		}
		m.show(t, client, "b")
		wantID(t, b, "b")
	})
}

func TestIDsHaveToBeTold(t *testing.T) {
	p := &Ports{First: 60000, Last: 60000, Log: silent, ListenFunc: newMemory().listen}
	if _, err := p.Listen(t.Context(), identified("a", nil)); err == nil {
		t.Error("an ID is awaited that nobody can tell")
	}
}
