package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// start starts a session of a client.
func start(s *Sessions, address string) (*Session, error) {
	return s.Start(SessionInfo{Client: netip.AddrPortFrom(netip.MustParseAddr(address), 1024)}, func(error) {})
}

// mustStart is start for a session that must be accepted.
func mustStart(t *testing.T, s *Sessions, address string) *Session {
	t.Helper()
	session, err := start(s, address)
	if err != nil {
		t.Fatalf("a session of %s: %v", address, err)
	}
	return session
}

func TestMaxSessions(t *testing.T) {
	s := &Sessions{Max: 3, MaxPerAddress: 2}
	const a, b = "192.0.2.1", "192.0.2.2"
	first, second := mustStart(t, s, a), mustStart(t, s, a)
	if _, err := start(s, a); err != ErrTooManyFromAddress {
		t.Errorf("third session of an address: %v, want %v", err, ErrTooManyFromAddress)
	}
	third := mustStart(t, s, b)
	if _, err := start(s, b); err != ErrTooManySessions {
		t.Errorf("fourth session: %v, want %v", err, ErrTooManySessions)
	}
	first.End()
	first.End() // must not count twice
	fourth := mustStart(t, s, b)
	if sessions, _ := s.Running(); sessions != 3 {
		t.Errorf("%d sessions are running, want 3", sessions)
	}
	for _, session := range []*Session{second, third, fourth} {
		session.End()
	}
	if len(s.running) != 0 || len(s.byAddress) != 0 {
		t.Errorf("after the last session: %v and %v, want empty maps", s.running, s.byAddress)
	}
}

// A refused client takes no place.
func TestRefusedClient(t *testing.T) {
	a := netip.MustParseAddr("192.0.2.1")
	s := &Sessions{Max: 1, Refuse: func(client netip.Addr) error {
		if client == a {
			return ErrBanned
		}
		return nil
	}}
	if _, err := start(s, a.String()); err != ErrBanned {
		t.Errorf("got %v, want %v", err, ErrBanned)
	}
	mustStart(t, s, "192.0.2.2")
}

func TestMaxSessionsPerUser(t *testing.T) {
	s := &Sessions{MaxPerUser: 2}
	var sessions [5]*Session
	for i := range sessions {
		sessions[i] = mustStart(t, s, "192.0.2.1")
	}
	for i, user := range []string{"x", "x", "y", "y"} {
		if err := sessions[i].Login(user, Limits{Sessions: 0}); err != nil {
			t.Errorf("login of %s: %v", user, err)
		}
	}
	last := sessions[4]
	if err := last.Login("x", Limits{Sessions: 0}); err != ErrTooManyOfUser || last.Info().User != "" {
		t.Errorf("third session of a user: %v, user %q; want %v and no user", err, last.Info().User, ErrTooManyOfUser)
	}
	if err := last.Login("x", Limits{Sessions: 3}); err != nil {
		t.Errorf("third session of a user with the limit 3: %v", err)
	}
	last.Logout()
	last.Logout() // must not count twice
	sessions[0].Logout()
	if err := last.Login("x", Limits{Sessions: 0}); err != nil {
		t.Errorf("login after another session of the user has logged out: %v", err)
	}
	for _, session := range sessions {
		session.End() // logs out
	}
	if len(s.byUser) != 0 {
		t.Errorf("after the last session: %v, want an empty map", s.byUser)
	}
}

// A client with IPv6 has a whole /64, and could use a new address for each session.
func TestMaxSessionsPerIPv6Network(t *testing.T) {
	s := new(Sessions)
	var started []*Session
	for i := range 1024 {
		if session, err := start(s, fmt.Sprintf("2001:db8::%x", i+1)); err == nil {
			started = append(started, session)
		}
	}
	if len(started) != 50 {
		t.Errorf("%d sessions of one /64, want 50", len(started))
	}
	mustStart(t, s, "2001:db8:0:1::1") // another /64
	started[7].End()
	mustStart(t, s, "2001:db8::ffff:4")
}

func TestLimitsHoldForConcurrentSessions(t *testing.T) {
	s := &Sessions{Max: 10, MaxPerAddress: 10}
	var wg sync.WaitGroup
	var loggedIn atomic.Int32
	for range 100 {
		wg.Go(func() {
			if session, err := start(s, "192.0.2.1"); err == nil && session.Login("x", Limits{Sessions: 10}) == nil {
				loggedIn.Add(1)
			}
		})
	}
	wg.Wait()
	if n := loggedIn.Load(); n != 10 {
		t.Errorf("%d sessions are logged in, want 10", n)
	}
}

// List returns a copy, with the oldest session first.
func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, since, moved := new(Sessions), time.Now(), int64(7)
		info := SessionInfo{ID: "b", Protocol: "ftp", Client: netip.MustParseAddrPort("192.0.2.1:1024")}
		session, err := s.Start(info, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		info.ID = "a"
		if _, err := s.Start(info, func(error) {}); err != nil {
			t.Fatal(err)
		}
		session.Login("alice", Limits{Sessions: 0})
		session.SetTLS("TLS 1.3")
		session.SetCommand("STOR")
		end, _ := session.StartTransfer(Upload, "/f", func() int64 { return moved })
		endSecond, _ := session.StartTransfer(Download, "/g", func() int64 { return 1 })
		endSecond()
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
			t.Errorf("%d sessions and %d transfers are running, want 2 and 1", sessions, transfers)
		}
		end()
		if _, transfers := s.Running(); transfers != 0 {
			t.Errorf("%d transfers are running after the end of the last one", transfers)
		}
	})
}

func TestEndSessionByID(t *testing.T) {
	s := new(Sessions)
	ended := make(map[string]error)
	for _, id := range []string{"a", "b"} {
		if _, err := s.Start(SessionInfo{ID: id}, func(cause error) { ended[id] = cause }); err != nil {
			t.Fatal(err)
		}
	}
	if s.End("c") {
		t.Error("End reports a session that does not exist")
	}
	if !s.End("b") {
		t.Error("End does not find session b")
	}
	if len(ended) != 1 || !errors.Is(ended["b"], ErrSessionEnded) {
		t.Errorf("ended sessions and causes: %v, want b with %v", ended, ErrSessionEnded)
	}
}

func TestSessionFrom(t *testing.T) {
	if info, ok := SessionFrom(t.Context()); ok {
		t.Errorf("a context without a session has %+v", info)
	}
	ctx, cancel := context.WithCancel(WithSession(t.Context(), SessionInfo{ID: "a"}))
	defer cancel()
	ctx = WithSession(ctx, SessionInfo{ID: "a", User: "alice"})
	if info, ok := SessionFrom(ctx); !ok || info.User != "alice" {
		t.Errorf("got %+v, %v, want the session of alice", info, ok)
	}
}

// The limit of transfers is that of all of the user's sessions together. Listings do not count.
func TestMaxTransfers(t *testing.T) {
	s := new(Sessions)
	login := func(user string, limit int) *Session {
		session := mustStart(t, s, "192.0.2.1")
		if err := session.Login(user, Limits{Transfers: limit}); err != nil {
			t.Fatal(err)
		}
		return session
	}
	begin := func(session *Session, d Direction, want error) (end func()) {
		t.Helper()
		end, err := session.StartTransfer(d, "/f", func() int64 { return 0 })
		if err != want {
			t.Errorf("got %v, want %v", err, want)
		}
		return end
	}
	first, second, other, free := login("alice", 2), login("alice", 2), login("bob", 1), login("carol", 0)
	end := begin(first, Upload, nil)
	endSecond := begin(second, Download, nil)
	begin(first, Upload, ErrTooManyTransfers)
	begin(second, Listing, nil)()
	begin(other, Upload, nil)()
	begin(other, Upload, nil)()
	for range 20 {
		defer begin(free, Upload, nil)()
	}
	end()
	end = begin(second, Upload, nil)
	begin(first, Download, ErrTooManyTransfers)
	first.SetLimits(Limits{Transfers: 3})
	begin(first, Download, nil)()
	end()
	endSecond()
	if _, running := s.Running(); running != 20 || len(s.transfersOf) != 1 {
		t.Errorf("%d transfers are left, of %v", running, s.transfersOf)
	}
}

func TestEndUsers(t *testing.T) {
	s := new(Sessions)
	ended := map[string]int{}
	for _, user := range []string{"alice", "bob", "", "alice"} {
		session, err := s.Start(SessionInfo{}, func(cause error) {
			if cause != ErrUserRemoved {
				t.Errorf("%q: ended by %v", user, cause)
			}
			ended[user]++
		})
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			session.Login(user, Limits{})
		}
	}
	s.EndUsers(func(user string) bool { return user != "bob" })
	if !reflect.DeepEqual(ended, map[string]int{"alice": 2}) {
		t.Errorf("ended: %v, want those of alice", ended)
	}
}

// EndExpired ends the sessions whose end has come, and no others.
func TestEndExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Sessions)
		ended := make(map[string]error)
		for name, until := range map[string]time.Time{"never": {}, "now": time.Now().Add(time.Minute), "later": time.Now().Add(time.Minute + 1), "out": time.Now()} {
			session, err := s.Start(SessionInfo{}, func(cause error) { ended[name] = cause })
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Login(name, Limits{Until: until}); err != nil {
				t.Fatal(err)
			}
			if name == "out" {
				session.Logout()
			}
		}
		<-time.After(time.Minute)
		s.EndExpired()
		if want := map[string]error{"now": ErrUserRemoved}; !reflect.DeepEqual(ended, want) {
			t.Errorf("ended: %v, want %v", ended, want)
		}
	})
}
