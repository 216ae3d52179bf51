package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// slowLogin makes Login wait for 59 seconds or the end of its context. It returns a channel for the cause of the end.
func slowLogin(srv *Server) (ended <-chan error) {
	causes := make(chan error, 1)
	srv.Login = func(ctx context.Context, _ proxy.Attempt) (proxy.Account, error) {
		select {
		case <-ctx.Done():
			causes <- context.Cause(ctx)
			return proxy.Account{}, ctx.Err()
		case <-time.After(time.Minute - time.Second):
			causes <- nil
			return proxy.Account{Store: newMemStore()}, nil
		}
	}
	return causes
}

// A running Login is cancelled when the client disconnects, when the login timeout expires, and on shutdown.
func TestLoginIsCancelled(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		end     func(*script)
		want    error
		took    time.Duration
	}{
		"client disconnects": {0, func(s *script) { s.closeControl() }, errClientLeft, 0},
		"shutdown":           {0, func(s *script) { s.play("! drain\nS> 421 Server is shutting down*\nS.") }, errServerShutdown, 0},
		"login timeout":      {10 * time.Second, func(s *script) { s.play("T> 10s\nS> 421 Login timeout*\nS.") }, errLoginTimeout, 10 * time.Second},
		"success":            {0, func(s *script) { s.play("T> 1m\nS> 230 *") }, nil, time.Minute - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var ended <-chan error
			inBubbleWithLog(t, func(srv *Server) {
				srv.LoginTimeout = c.timeout
				ended = slowLogin(srv)
			}, func(s *script, log *logBuffer) {
				s.play("! login no\nS> 220 *\nC> USER a\nS> 331 *\nC> PASS b\nS-")
				begin := time.Now()
				c.end(s)
				if err := <-ended; err != c.want {
					t.Errorf("Login ended with %v, want %v", err, c.want)
				}
				if took := time.Since(begin); took > c.took+time.Second {
					t.Errorf("Login ended after %v, want %v", took, c.took)
				}
				synctest.Wait()
				if level := levelOf(log.String(), "login undecided"); level != "" {
					t.Errorf("a cancelled login is logged as undecided at %s:\n%s", level, log.String())
				}
			})
		})
	}
}

// With a certificate, Login runs at USER, and is cancelled like at PASS.
func TestLoginByCertificateIsCancelled(t *testing.T) {
	var ended <-chan error
	inBubbleWithLog(t, func(srv *Server) { ended = slowLogin(srv) }, func(s *script, _ *logBuffer) {
		s.play("! login no\n! tls optional\n! client-certificate\nS> 220 *\n! show scanner\nC> AUTH TLS\nS> 234 *\nH>\nC> USER scanner\nS-\n! drain\nS> 421 *\nS.")
		if err := <-ended; err != errServerShutdown {
			t.Errorf("Login ended with %v, want %v", err, errServerShutdown)
		}
	})
}

// A client that pipelines its commands and then closes its side has not disconnected.
func TestPipelinedLoginIsNotCancelled(t *testing.T) {
	var ended <-chan error
	inBubbleWithLog(t, func(srv *Server) { ended = slowLogin(srv) }, func(s *script, _ *logBuffer) {
		s.play("! login no\nS> 220 *\nC= \"USER a\\r\\nPASS b\\r\\nQUIT\\r\\n\"\nS> 331 *")
		s.closeControl()
		if err := <-ended; err != nil {
			t.Errorf("Login is cancelled: %v", err)
		}
	})
}

// A certificate that does not suffice is logged at debug if the password then succeeds. If that is refused too, a warning has
// the error of Login.
func TestInsufficientCertificateWarnsOnlyIfPasswordIsRefused(t *testing.T) {
	advice := fmt.Errorf("%w: --user-certificate must be CN=other", fs.ErrPermission)
	for _, password := range []string{"secret", "wrong"} {
		inBubbleWithLog(t, func(srv *Server) {
			login := srv.Login
			srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
				account, err := login(ctx, a)
				if errors.Is(err, fs.ErrPermission) {
					err = advice
				}
				return account, err
			}
		}, func(s *script, log *logBuffer) {
			s.play("! login no\n! tls optional\n! client-certificate\nS> 220 *\n! show other\nC> AUTH TLS\nS> 234 *\nH>\nC> USER test\nS> 331 *\nC> PASS " + password)
			want := "WARN"
			if password == "secret" {
				s.play("S> 230 *")
				want = "DEBUG"
			} else {
				s.play("T> 1s\nS> 530 *")
			}
			if got := levelOf(log.String(), "--user-certificate"); got != want {
				t.Errorf("PASS %s: the certificate is logged at %q, want %s:\n%s", password, got, want, log.String())
			}
		})
	}
}

// The account determines the session's first directory, its user and the user's limit of sessions.
func TestAccount(t *testing.T) {
	inBubbleWithLog(t, func(srv *Server) {
		login := srv.Login
		srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			account, err := login(ctx, a)
			account.User, account.Home, account.Limits.Sessions = "the-"+a.User, "/in", 1
			return account, err
		}
	}, func(s *script, log *logBuffer) {
		s.play(`
			<= /in/f "x"
			C> PWD
			S> 257 "/in" *
			C> SIZE f
			S> 213 1
			C> CWD /
			S> 250 *
			C> REIN
			S> 220 *
			C> USER test
			S> 331 *
			C> PASS secret
			S> 230 *
			C> PWD
			S> 257 "/in" *
			! login no
			2
			S> 220 *
			C> USER test
			S> 331 *
			C> PASS secret
			S> 530 Too many *
			C> USER other
			S> 331 *
			C> PASS secret
			S> 230 *`)
		if !strings.Contains(log.String(), "user=the-test") {
			t.Errorf("the account's user is not logged:\n%s", log.String())
		}
	})
}

func TestLoginGetsAllFieldsOfTheAttempt(t *testing.T) {
	inBubble(t, func(s *script) {
		var attempt proxy.Attempt
		login := s.srv.Login
		s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			attempt = a
			return login(ctx, a)
		}
		s.play("! login no\nS> 220 *\nC> USER test\nS> 331 *\nC> PASS secret\nS> 230 *")
		if attempt.User != "test" || attempt.Password != "secret" || attempt.Method != proxy.ByPassword || attempt.Protocol != "ftp" ||
			attempt.Session == "" || attempt.Peer.Addr() != clientAddr {
			t.Errorf("Login gets %+v", attempt)
		}
	})
}
