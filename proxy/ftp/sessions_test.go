package ftp

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// newEntry returns an entry of a list of sessions, for a session that has no server.
func newEntry(t *testing.T) *proxy.Session {
	t.Helper()
	entry, err := new(proxy.Sessions).Start(proxy.SessionInfo{ID: "of-a-test"}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// statusOf returns how the session of a user is listed.
func (s *script) statusOf(user string) proxy.SessionStatus {
	s.t.Helper()
	synctest.Wait()
	for _, status := range s.srv.Sessions.List() {
		if status.User == user {
			return status
		}
	}
	s.t.Fatalf("no session of %q among %+v", user, s.srv.Sessions.List())
	return proxy.SessionStatus{}
}

// An administrator sees the sessions and their transfers, and ends one: an idle one at once.
func TestSessionsAreListedAndEnded(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! tls optional\nC> NOOP\nS> 200 *")
		idle := s.statusOf("test")
		if idle.ID == "" || idle.Protocol != "ftp" || idle.Client != netip.AddrPortFrom(clientAddr, 1025) || idle.TLS != "" || idle.Command != "" {
			t.Errorf("an idle session is listed as %+v", idle)
		}
		s.play("! login no\n2\nS> 220 *\nC> AUTH TLS\nS> 234 *\nH>\nC> USER busy\nS> 331 *\nC> PASS secret\nS> 230 *\nC> EPSV\nS> 229 *\n" +
			"C> STOR a\nS> 150 *\nD= \"hello\"")
		busy := s.statusOf("busy")
		if busy.TLS != "TLS 1.3" || busy.Command != "STOR" || len(busy.Transfers) != 1 {
			t.Fatalf("a session with an upload is listed as %+v", busy)
		}
		if got := busy.Transfers[0]; got.Direction != proxy.Upload || got.Name != "/a" || got.Bytes != 5 || got.Since.IsZero() {
			t.Errorf("an upload is listed as %+v", got)
		}
		if s.srv.Sessions.End("none") || !s.srv.Sessions.End(idle.ID) {
			t.Error("the idle session cannot be ended, or one that is not there can")
		}
		s.play("1\nS> 421 Session ended by an administrator, closing connection.\nS.\n" +
			"2\nD= \" world\"\nD.\nS> 226 *\nC> NOOP\nS> 200 *\n=> /a \"hello world\"")
		if list := s.srv.Sessions.List(); len(list) != 1 || list[0].ID != busy.ID || len(list[0].Transfers) != 0 {
			t.Errorf("the other session is listed as %+v", list)
		}
	})
}

// A session that is ended completes what runs in it, as at a shutdown; what takes longer than the drain time-out is cut, but for
// an upload that is being published.
func TestAnEndedSessionHasTimeLeft(t *testing.T) {
	for name, c := range map[string]string{
		"a transfer that ends":     "D= \"hello\"\nT> 59s\nD.\nS> 226 *\nS> 421 *\nS.\n=> /a \"hello\"",
		"a transfer that lasts":    "D= \"hello\"\nT> 1m\nS> 426 Transfer aborted, session ended by an administrator.\nS> 421 Session ended by*\nS.\n=>",
		"an upload in its commit":  "! slow /a 2m\nD= \"hello\"\nD.\nT> 119s\nS-\nT> 2s\nS> 226 *\nS> 421 *\nS.\n=> /a \"hello\"",
		"a command that goes down": "D= \"hello\"\n! drain\nT> 1m\nS> 426 *\nS> 421 Session ended by*\nS.\n=>",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *script) {
				s.play("C> EPSV\nS> 229 *\nC> STOR a\nS> 150 *")
				s.srv.Sessions.End(s.statusOf("test").ID)
				s.play(c)
			})
		})
	}
}

// A login that is waited for ends with its session.
func TestALoginEndsWithItsSession(t *testing.T) {
	var ended <-chan error
	logging(t, func(srv *Server) { ended = slowLogin(srv) }, func(s *script, _ *safeBuffer) {
		s.play("! login no\nS> 220 *\nC> USER a\nS> 331 *\nC> PASS b\nS-")
		s.srv.Sessions.End(s.statusOf("").ID)
		s.play("S> 421 Session ended by*\nS.")
		if err := <-ended; err != errEnded {
			t.Errorf("Login ended with %v, want %v", err, errEnded)
		}
	})
}
