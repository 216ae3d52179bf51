package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
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
			return proxy.Account{Store: storetest.NewMemory()}, nil
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

// A refusal comes one second after PASS whatever Login takes, or when Login is done if that is later.
func TestRefusalsComeAtTheSameTime(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0: time.Second, 900 * time.Millisecond: time.Second, 3 * time.Second: 3 * time.Second,
	} {
		inBubbleWithLog(t, func(srv *Server) {
			srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
				<-time.After(took)
				return proxy.Account{}, fs.ErrPermission
			}
		}, func(s *script, _ *logBuffer) {
			s.play("! login no\nS> 220 *\nC> USER a\nS> 331 *")
			s.play(fmt.Sprintf("C> PASS b\nS-\nT> %v\nS-\nT> 1ms\nS> 530 Login incorrect.", want-time.Millisecond))
		})
	}
}

// A user who is banned is told so, and the session ends.
func TestBannedLogin(t *testing.T) {
	inBubbleWithLog(t, func(srv *Server) {
		srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{}, proxy.ErrBanned }
	}, func(s *script, log *logBuffer) {
		s.play("! login no\nS> 220 *\nC> USER a\nS> 331 *\nC> PASS b\nS-\nT> 999ms\nS-\nT> 1ms\nS> 421 Too many failed logins, try again later.\nS.")
		if level := levelOf(log.String(), proxy.ErrBanned.Error()); level != "DEBUG" {
			t.Errorf("logged at %q:\n%s", level, log.String())
		}
	})
}

// A banned client gets 421 in place of the banner. Others, and sessions that run, are not concerned.
func TestBannedClient(t *testing.T) {
	banned := false
	inBubbleWithLog(t, func(srv *Server) {
		srv.Sessions = &proxy.Sessions{Refuse: func(client netip.Addr) error {
			if banned && client == clientAddr {
				return proxy.ErrBanned
			}
			return nil
		}}
	}, func(s *script, _ *logBuffer) {
		s.play("! login no\nS> 220 *")
		banned = true
		s.play("2\nS> 421 Too many failed logins, try again later.\nS.\n1\nC> NOOP\nS> 200 *")
		banned = false
		s.play("3\nS> 220 *")
	})
}

// Above the limit of logins at the same time, the client is told to come back later.
func TestTooManyLogins(t *testing.T) {
	inBubbleWithLog(t, func(srv *Server) {
		srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
			return proxy.Account{}, proxy.ErrTooManyLogins
		}
	}, func(s *script, log *logBuffer) {
		s.play("! login no\nS> 220 *\nC> USER a\nS> 331 *\nC> PASS b\nS-\nT> 999ms\nS-\nT> 1ms\nS> 421 Too many logins, try again later.\nS.")
		if level := levelOf(log.String(), proxy.ErrTooManyLogins.Error()); level != "WARN" {
			t.Errorf("logged at %q:\n%s", level, log.String())
		}
	})
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

// A home directory that does not exist is an empty one, to which the session can return.
func TestAccountMissingHome(t *testing.T) {
	inBubble(t, func(s *script) {
		login := s.srv.Login
		s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			account, err := login(ctx, a)
			account.Home = "/of/test"
			return account, err
		}
		s.play(`
			! login no
			S> 220 *
			C> USER test
			S> 331 *
			C> PASS secret
			S> 230 *
			C> PWD
			S> 257 "/of/test" *
			C> EPSV
			S> 229 *
			C> MLSD
			S> 150 *
			D.
			S> 226 *
			C> CWD /
			S> 250 *
			C> CWD /of/test
			S> 250 *
			C> CWD ..
			S> 250 "/of" *
			C> CWD /other
			S> 550 *`)
	})
}

// A changed account holds from the next command on. If it shows another place, what commands have said about files is dropped.
func TestAccountChanges(t *testing.T) {
	inBubble(t, func(s *script) {
		other := storetest.NewMemory()
		var next *proxy.Account
		released := 0
		login := s.srv.Login
		s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			account, err := login(ctx, a)
			account.Place, account.Home = "first", "/in"
			account.Now = func() (*proxy.Account, error) { return take(&next), nil }
			account.Release = func() { released++ }
			return account, err
		}
		s.play("! login no\n<= /in/f \"x\"\nS> 220 *\nC> USER test\nS> 331 *\nC> PASS secret\nS> 230 *\nC> RNFR f\nS> 350 *")
		next = &proxy.Account{Store: s.store, Place: "first", Home: "/other", Compat: proxy.Compat{Backslash: true}}
		s.play("C> RNTO \\in\\g\nS> 250 *\nC> PWD\nS> 257 \"/in\" *\nC> RNFR g\nS> 350 *")
		next = &proxy.Account{Store: other, Place: "second", Home: "/home"}
		s.play("C> RNTO h\nS> 503 *\nC> PWD\nS> 257 \"/home\" *\nC> SIZE /in/g\nS> 550 *\nC> REST 5\nS> 350 *")
		next = &proxy.Account{Store: s.store, Place: "first"}
		s.play("C> SIZE /in/g\nS> 213 1\nC> PWD\nS> 257 \"/\" *")
		if released != 0 {
			t.Error("the account is released while the session uses it")
		}
		s.play("C> REIN\nS> 220 *")
		if released != 1 {
			t.Errorf("REIN released the account %d times, want once", released)
		}
		s.play("C> QUIT\nS> 221 *")
		synctest.Wait()
		if released != 1 {
			t.Errorf("the account was released %d times, want once", released)
		}
	})
}

// The session of a user who is removed ends with the next command, or at once if it is idle.
func TestUserRemoved(t *testing.T) {
	for _, idle := range []bool{true, false} {
		inBubble(t, func(s *script) {
			removed := false
			login := s.srv.Login
			s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
				account, err := login(ctx, a)
				account.Now = func() (*proxy.Account, error) {
					if removed {
						return nil, proxy.ErrUserRemoved
					}
					return nil, nil
				}
				return account, err
			}
			s.play("! login no\nS> 220 *\nC> USER test\nS> 331 *\nC> PASS secret\nS> 230 *\nC> NOOP\nS> 200 *")
			if removed = true; idle {
				s.srv.sessions().EndUsers(func(user string) bool { return user == "test" })
			} else {
				s.play("C> NOOP")
			}
			s.play("S> 421 User was removed *")
		})
	}
}

// Over the user's limit of transfers a transfer is refused before its data connection opens.
func TestMaxTransfers(t *testing.T) {
	inBubbleWithLog(t, func(srv *Server) {
		login := srv.Login
		srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			account, err := login(ctx, a)
			account.Limits.Transfers = 1
			return account, err
		}
	}, func(s *script, log *logBuffer) {
		s.play("! login no\nS> 220 *\nC> USER test\nS> 331 *\nC> PASS secret\nS> 230 *")
		sessions := s.srv.sessions()
		second, err := sessions.Start(proxy.SessionInfo{}, func(error) {})
		if err != nil || second.Login("test", proxy.Limits{}) != nil {
			t.Fatal(err)
		}
		running, err := second.StartTransfer(proxy.Upload, "/x", func() int64 { return 0 })
		if err != nil {
			t.Fatal(err)
		}
		s.play("C> EPSV\nS> 229 *\nC> STOR f\nS> 450 Too many transfers *\nC> EPSV\nS> 229 *\nC> LIST\nS> 150 *\nD.\nS> 226 *")
		if level := levelOf(log.String(), proxy.ErrTooManyTransfers.Error()); level != "INFO" {
			t.Errorf("logged at %q:\n%s", level, log.String())
		}
		running()
	})
}

// SITE QUOTA and AVBL tell the limits of the account, as they are after it has changed too. An upload over a limit is refused with the
// text of the error.
func TestSpace(t *testing.T) {
	inBubble(t, func(s *script) {
		login, changed := s.srv.Login, false
		space, failed := proxy.Space{}, error(nil)
		s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			account, err := login(ctx, a)
			account.Space = func(context.Context) (proxy.Space, error) {
				return proxy.Space{FileSize: 5, DailyUpload: 100, UploadedToday: 30, Size: 60, Files: 3, StoredSize: 10, StoredFiles: 1}, nil
			}
			account.Now = func() (*proxy.Account, error) {
				if !changed {
					return nil, nil
				}
				now := account
				now.Space = func(context.Context) (proxy.Space, error) { return space, failed }
				return &now, nil
			}
			return account, err
		}
		s.store.Fail["/f"] = &proxy.LimitError{Text: "File too large, the limit of this account is 5 bytes."}
		s.play("! login no\nS> 220 *\nC> USER test\nS> 331 *\nC> PASS secret\nS> 230 *\nC> AVBL\nS> 213 50\nC> SITE QUOTA\n" +
			"S> 211-Limits of this account:\nS>  Largest file: 5 bytes\nS>  Uploaded today (UTC): 30 of 100 bytes\n" +
			"S>  Stored: 10 of 60 bytes, 50 left\nS>  Stored: 1 of 3 files, 2 left\nS> 211 End\n" +
			"C> EPSV\nS> 229 *\nC> STOR f\nS> 150 *\nD= \"123456\"\nD.\nS> 552 File too large, the limit of this account is 5 bytes.")
		changed, space = true, proxy.Space{DailyUpload: 10, UploadedToday: 30}
		s.play("C> AVBL\nS> 213 0\nC> SITE QUOTA\nS> 211-Limits *\nS>  Uploaded today (UTC): 30 of 10 bytes\nS> 211 End")
		space = proxy.Space{DailyUpload: 70, UploadedToday: 30, Size: 10, StoredSize: 60}
		s.play("C> AVBL\nS> 213 0\nC> SITE QUOTA\nS> 211-Limits *\nS>  Uploaded *\nS>  Stored: 60 of 10 bytes, 0 left\nS> 211 End")
		for _, x := range []struct {
			space proxy.Space
			left  string
		}{
			{proxy.Space{DailyUpload: 70, UploadedToday: 30, Size: 100, StoredSize: 10}, "40"},
			{proxy.Space{Size: 100, StoredSize: 10, Files: 2, StoredFiles: 2}, "0"},
			{proxy.Space{Files: 2, StoredFiles: 1}, "9223372036854775807"},
		} {
			space = x.space
			s.play("C> AVBL\nS> 213 " + x.left)
		}
		failed = fmt.Errorf("%w: %w", proxy.ErrNotCounted, fs.ErrPermission)
		s.play("C> AVBL\nS> 450 Quota not counted yet, try again later.\nC> SITE QUOTA\nS> 450 Quota not counted yet, try again later.")
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
			attempt.Session == "" || attempt.Peer.Addr() != clientAddr || attempt.TLS != "" {
			t.Errorf("Login gets %+v", attempt)
		}
		s.play("! tls optional\nC> AUTH TLS\nS> 234 *\nH>\nC> USER test\nS> 331 *\nC> PASS secret\nS> 230 *")
		if attempt.TLS != "TLS 1.3" {
			t.Errorf("with TLS, Login gets the version %q", attempt.TLS)
		}
	})
}
