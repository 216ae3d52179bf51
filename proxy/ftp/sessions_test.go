package ftp

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// newEntry returns an entry of proxy.Sessions, for a session without a server.
func newEntry(t *testing.T) *proxy.Session {
	t.Helper()
	entry, err := new(proxy.Sessions).Start(proxy.SessionInfo{ID: "of-a-test"}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// statusOf returns the status of the session of a user.
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

// Sessions lists the sessions and their transfers. End ends an idle session at once.
func TestSessionsAreListedAndEnded(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! tls optional\nC> NOOP\nS> 200 *")
		idle := s.statusOf("test")
		if idle.ID == "" || idle.Protocol != "ftp" || idle.Client != netip.AddrPortFrom(clientAddr, 1025) || idle.TLS != "" || idle.Command != "" {
			t.Errorf("status of an idle session: %+v", idle)
		}
		s.play("! login no\n2\nS> 220 *\nC> AUTH TLS\nS> 234 *\nH>\nC> USER busy\nS> 331 *\nC> PASS secret\nS> 230 *\nC> EPSV\nS> 229 *\n" +
			"C> STOR a\nS> 150 *\nD= \"hello\"")
		busy := s.statusOf("busy")
		if busy.TLS != "TLS 1.3" || busy.Command != "STOR" || len(busy.Transfers) != 1 {
			t.Fatalf("status of a session with an upload: %+v", busy)
		}
		if got := busy.Transfers[0]; got.Direction != proxy.Upload || got.Name != "/a" || got.Bytes != 5 || got.Since.IsZero() {
			t.Errorf("status of the upload: %+v", got)
		}
		if s.srv.Sessions.End("none") || !s.srv.Sessions.End(idle.ID) {
			t.Error("End fails for the idle session, or succeeds for an unknown one")
		}
		s.play("1\nS> 421 Session ended by an administrator, closing connection.\nS.\n" +
			"2\nD= \" world\"\nD.\nS> 226 *\nC> NOOP\nS> 200 *\n=> /a \"hello world\"")
		if list := s.srv.Sessions.List(); len(list) != 1 || list[0].ID != busy.ID || len(list[0].Transfers) != 0 {
			t.Errorf("sessions after the end of one: %+v", list)
		}
	})
}

// As at a shutdown, the running transfer of an ended session may complete until the drain timeout expires, and an upload that is being
// published may take longer.
func TestTransferOfEndedSessionMayComplete(t *testing.T) {
	for name, c := range map[string]string{
		"a short transfer":    "D= \"hello\"\nT> 59s\nD.\nS> 226 *\nS> 421 *\nS.\n=> /a \"hello\"",
		"a long transfer":     "D= \"hello\"\nT> 1m\nS> 426 Transfer aborted, session ended by an administrator.\nS> 421 Session ended by*\nS.\n=>",
		"an upload in commit": "! slow /a 2m\nD= \"hello\"\nD.\nT> 119s\nS-\nT> 2s\nS> 226 *\nS> 421 *\nS.\n=> /a \"hello\"",
		"shutdown after End":  "D= \"hello\"\n! drain\nT> 1m\nS> 426 *\nS> 421 Session ended by*\nS.\n=>",
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

// The end of a session cancels a running Login.
func TestEndCancelsLogin(t *testing.T) {
	var ended <-chan error
	inBubbleWithLog(t, func(srv *Server) { ended = slowLogin(srv) }, func(s *script, _ *logBuffer) {
		s.play("! login no\nS> 220 *\nC> USER a\nS> 331 *\nC> PASS b\nS-")
		s.srv.Sessions.End(s.statusOf("").ID)
		s.play("S> 421 Session ended by*\nS.")
		if err := <-ended; err != errSessionEnded {
			t.Errorf("Login ended with %v, want %v", err, errSessionEnded)
		}
	})
}
