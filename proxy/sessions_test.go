package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// start starts a session from an address.
func start(s *Sessions, from string) (*Session, error) {
	return s.Start(SessionInfo{Client: netip.AddrPortFrom(netip.MustParseAddr(from), 1024)}, func(error) {})
}

// begin starts a session that must not be refused.
func begin(t *testing.T, s *Sessions, from string) *Session {
	t.Helper()
	n, err := start(s, from)
	if err != nil {
		t.Fatalf("%s: %v", from, err)
	}
	return n
}

func TestSessionsAreLimited(t *testing.T) {
	s := &Sessions{Max: 3, MaxPerAddress: 2}
	const a, b = "192.0.2.1", "192.0.2.2"
	first, second := begin(t, s, a), begin(t, s, a)
	if _, err := start(s, a); err != ErrTooManyFromAddress {
		t.Errorf("a third session from an address: %v", err)
	}
	third := begin(t, s, b)
	if _, err := start(s, b); err != ErrTooManySessions {
		t.Errorf("a fourth session: %v", err)
	}
	first.End()
	first.End() // once is enough
	fourth := begin(t, s, b)
	if n, _ := s.Running(); n != 3 {
		t.Errorf("%d sessions run, want 3", n)
	}
	for _, n := range []*Session{second, third, fourth} {
		n.End()
	}
	if len(s.running) != 0 || len(s.byAddress) != 0 {
		t.Errorf("%v, %v are left", s.running, s.byAddress)
	}
}

func TestSessionsOfAUserAreLimited(t *testing.T) {
	s := &Sessions{MaxPerUser: 2}
	var n [5]*Session
	for i := range n {
		n[i] = begin(t, s, "192.0.2.1")
	}
	for i, user := range []string{"x", "x", "y", "y"} {
		if err := n[i].Login(user, 0); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	if err := n[4].Login("x", 0); err != ErrTooManyOfUser || n[4].Info().User != "" {
		t.Errorf("a third session of one user: %v, as %q", err, n[4].Info().User)
	}
	if err := n[4].Login("x", 3); err != nil {
		t.Errorf("a third session of a user who may have three: %v", err)
	}
	n[4].Logout()
	n[4].Logout() // once is enough
	n[0].Logout()
	if err := n[4].Login("x", 0); err != nil {
		t.Errorf("a place that was given back: %v", err)
	}
	for _, n := range n {
		n.End() // logs out
	}
	if len(s.byUser) != 0 {
		t.Errorf("%v are left", s.byUser)
	}
}

// A /64 is one client: its owner has an address of it for every session.
func TestSessionsOfAnIPv6NetworkAreLimited(t *testing.T) {
	s := new(Sessions)
	var in []*Session
	for i := range 1024 {
		if n, err := start(s, fmt.Sprintf("2001:db8::%x", i+1)); err == nil {
			in = append(in, n)
		}
	}
	if len(in) != 50 {
		t.Errorf("%d sessions from one /64; want 50", len(in))
	}
	begin(t, s, "2001:db8:0:1::1") // another /64
	in[7].End()
	begin(t, s, "2001:db8::ffff:4")
}

func TestSessionsStartAtOnce(t *testing.T) {
	s := &Sessions{Max: 10, MaxPerAddress: 10}
	var wg sync.WaitGroup
	var in sync.Map
	for i := range 100 {
		wg.Go(func() {
			if n, err := start(s, "192.0.2.1"); err == nil && n.Login("x", 10) == nil {
				in.Store(i, true)
			}
		})
	}
	wg.Wait()
	n := 0
	in.Range(func(any, any) bool { n++; return true })
	if n != 10 {
		t.Errorf("%d came in, want 10", n)
	}
}

// The list is a copy, the oldest session first.
func TestSessionsAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, since, moved := new(Sessions), time.Now(), int64(7)
		info := SessionInfo{ID: "b", Protocol: "ftp", Client: netip.MustParseAddrPort("192.0.2.1:1024")}
		n, err := s.Start(info, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		info.ID = "a"
		if _, err := s.Start(info, func(error) {}); err != nil {
			t.Fatal(err)
		}
		n.Login("alice", 0)
		n.SetTLS("TLS 1.3")
		n.SetCommand("STOR")
		end := n.StartTransfer(Upload, "/f", func() int64 { return moved })
		second := n.StartTransfer(Download, "/g", func() int64 { return 1 })
		second()
		later := since.Add(time.Second)
		want := []SessionStatus{
			{SessionInfo: SessionInfo{"b", "ftp", info.Client, "alice"}, Since: since, TLS: "TLS 1.3", Command: "STOR",
				Transfers: []TransferStatus{{Upload, "/f", later, 7}}},
			{SessionInfo: info, Since: later},
		}
		if got := s.List(); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if sessions, transfers := s.Running(); sessions != 2 || transfers != 1 {
			t.Errorf("%d sessions, %d transfers", sessions, transfers)
		}
		end()
		if _, transfers := s.Running(); transfers != 0 {
			t.Errorf("%d transfers are left", transfers)
		}
	})
}

func TestASessionIsEnded(t *testing.T) {
	s := new(Sessions)
	ended := make(map[string]error)
	for _, id := range []string{"a", "b"} {
		if _, err := s.Start(SessionInfo{ID: id}, func(cause error) { ended[id] = cause }); err != nil {
			t.Fatal(err)
		}
	}
	if s.End("c") || !s.End("b") {
		t.Error("there is a session c, or none of b")
	}
	if len(ended) != 1 || !errors.Is(ended["b"], ErrSessionEnded) {
		t.Errorf("ended: %v", ended)
	}
}

// What is done for a session carries whose it is.
func TestSessionFrom(t *testing.T) {
	if _, ok := SessionFrom(t.Context()); ok {
		t.Error("a session from nowhere")
	}
	ctx, cancel := context.WithCancel(WithSession(t.Context(), SessionInfo{ID: "a"}))
	defer cancel()
	ctx = WithSession(ctx, SessionInfo{ID: "a", User: "alice"})
	if info, ok := SessionFrom(ctx); !ok || info.User != "alice" {
		t.Errorf("got %+v, %v", info, ok)
	}
}
