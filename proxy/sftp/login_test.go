package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A client logs in with a password, uses the subsystem, and gets its end and exit status.
func TestPasswordLogin(t *testing.T) {
	inBubble(t, func(b *bench) { b.srv.subsystem = echo }, func(b *bench) {
		begin := time.Now()
		client := b.mustDial(clientConfig())
		channel := b.start(client)
		io.WriteString(channel, "hello")
		channel.CloseWrite()
		if got, err := io.ReadAll(channel); string(got) != "hello" || err != nil {
			t.Errorf("the subsystem sends %q, %v", got, err)
		}
		if <-channel.ended; channel.status != 0 {
			t.Errorf("exit status %d, want 0", channel.status)
		}
		client.Close()
		synctest.Wait()
		if e := only[event.LoginOK](t, b.events); e.Method != proxy.ByPassword {
			t.Errorf("login by %s", e.Method)
		}
		if e := only[event.SessionEnd](t, b.events); e.Err != nil {
			t.Errorf("the session ends with %v", e.Err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the session took %v without a delay of the client", took)
		}
		a := b.attempts[0]
		if a.Session == "" || a.Peer != clientAddr || a.Protocol != "sftp" || a.Method != proxy.ByPassword {
			t.Errorf("attempt %+v", a)
		}
	})
}

// prompts answers one question with each of the passwords in turn.
func prompts(t *testing.T, passwords ...string) ssh.AuthMethod {
	return ssh.RetryableAuthMethod(ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
		if !slices.Equal(questions, []string{"Password: "}) || !slices.Equal(echos, []bool{false}) {
			t.Errorf("the server asks %q, %v", questions, echos)
		}
		p := passwords[0]
		passwords = passwords[1:]
		return []string{p}, nil
	}), len(passwords))
}

// passwords tries each of them in turn.
func passwords(list ...string) ssh.AuthMethod {
	return ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
		p := list[0]
		list = list[1:]
		return p, nil
	}), len(list))
}

// keyboard-interactive asks for the password.
func TestKeyboardInteractive(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.mustDial(clientConfig(prompts(t, "wrong", "secret"))).Close()
		if got := len(all[event.LoginRefused](b.events)); got != 1 {
			t.Errorf("%d refused logins, want 1", got)
		}
	})
}

// Each wrong password is refused a second after it came. The third one ends the connection, and the client reads why.
func TestWrongPasswords(t *testing.T) {
	for name, method := range map[string]func(t *testing.T) ssh.AuthMethod{
		"password":             func(*testing.T) ssh.AuthMethod { return passwords("a", "b", "c", "secret") },
		"keyboard-interactive": func(t *testing.T) ssh.AuthMethod { return prompts(t, "a", "b", "c", "secret") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				config, said := clientConfig(method(t)), ""
				config.BannerCallback = func(text string) error {
					said += text
					return nil
				}
				begin := time.Now()
				if _, err := b.dial(config); err == nil {
					t.Error("the fourth password is accepted")
				}
				if took := time.Since(begin); took != 3*time.Second {
					t.Errorf("three refusals took %v, want 3s", took)
				}
				if want := "Too many failed logins, closing connection.\r\n"; said != want {
					t.Errorf("the server says %q, want %q", said, want)
				}
				synctest.Wait()
				if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, errTooManyFailed) {
					t.Errorf("the session ends with %v", e.Err)
				}
				refused := all[event.LoginRefused](b.events)
				if len(refused) != 3 || refused[0] != (event.LoginRefused{User: "user", Method: proxy.ByPassword, Code: 51, Err: errWrongLogin}) {
					t.Errorf("refused logins: %+v", refused)
				}
			})
		})
	}
}

// The delay of a refusal counts from the password: a slow decision adds nothing to it.
func TestRefusalDelayIncludesDecision(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
			<-time.After(700 * time.Millisecond)
			return proxy.Account{}, fs.ErrPermission
		}
	}, func(b *bench) {
		begin := time.Now()
		b.dial(clientConfig(ssh.Password("wrong")))
		if took := time.Since(begin); took != time.Second {
			t.Errorf("the refusal took %v, want 1s", took)
		}
	})
}

// Errors of Login that no other password can change end the connection, and the client reads why. Others let it try again.
func TestLoginErrors(t *testing.T) {
	for _, c := range []struct {
		err   error
		ends  bool
		said  string
		after time.Duration
	}{
		{proxy.ErrBanned, true, "Too many failed logins, try again later.", time.Second},
		{proxy.ErrTooManyLogins, true, "Too many logins, try again later.", time.Second},
		{fmt.Errorf("wrapped: %w", proxy.ErrBanned), true, "Too many failed logins, try again later.", time.Second},
		{errors.New("down"), false, "Login cannot be checked, try again later.", 0},
		{fs.ErrPermission, false, "", time.Second},
		{proxy.ErrNeedsPublicKey, false, "", time.Second}, // no key is accepted
		{proxy.ErrNeedsPassword, false, "", time.Second},
	} {
		inBubble(t, func(b *bench) {
			b.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) { return proxy.Account{}, c.err }
		}, func(b *bench) {
			begin := time.Now()
			raw := b.rawConnect()
			raw.handshake()
			raw.memConn.Write(raw.password("secret"))
			said, ends := raw.answer()
			if strings.TrimSuffix(said, "\r\n") != c.said || ends != c.ends {
				t.Errorf("%v: the server says %q, ends %t, want %q, %t", c.err, said, ends, c.said, c.ends)
			}
			if took := time.Since(begin); took != c.after {
				t.Errorf("%v: the answer took %v, want %v", c.err, took, c.after)
			}
			raw.Close()
		})
	}
}

// A user with too many sessions is told so.
func TestTooManySessionsOfUser(t *testing.T) {
	inBubble(t, func(b *bench) { b.srv.Sessions = &proxy.Sessions{MaxPerUser: 1} }, func(b *bench) {
		first := b.mustDial(clientConfig())
		config, said := clientConfig(), ""
		config.BannerCallback = func(text string) error {
			said += text
			return nil
		}
		if _, err := b.dial(config); err == nil {
			t.Error("a second session is accepted")
		}
		if said != "Too many sessions for this user.\r\n" {
			t.Errorf("the server says %q", said)
		}
		first.Close()
		synctest.Wait()
		b.mustDial(clientConfig()).Close()
	})
}

// The banner is shown before the login.
func TestBanner(t *testing.T) {
	inBubble(t, func(b *bench) { b.srv.Banner = "Hello.\n" }, func(b *bench) {
		config, said := clientConfig(), ""
		config.BannerCallback = func(text string) error {
			said += text
			return nil
		}
		b.mustDial(config).Close()
		if said != "Hello.\n" {
			t.Errorf("the banner is %q", said)
		}
	})
}

// The context of Login is cancelled when the client leaves, the login times out or the server shuts down.
func TestLoginIsCancelled(t *testing.T) {
	for name, c := range map[string]struct {
		act func(*bench, *rawClient)
		end error
	}{
		"client leaves": {func(_ *bench, c *rawClient) { c.Close() }, errClientClosed},
		"timeout":       {func(*bench, *rawClient) { <-time.After(time.Minute) }, errLoginTimeout},
		"shutdown":      {func(b *bench, _ *rawClient) { b.drain() }, errShutdown},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.srv.Login = func(ctx context.Context, _ proxy.Attempt) (proxy.Account, error) {
					<-ctx.Done()
					return proxy.Account{}, ctx.Err()
				}
			}, func(b *bench) {
				raw := b.rawConnect()
				raw.handshake()
				raw.memConn.Write(raw.password("secret"))
				synctest.Wait()
				c.act(b, raw)
				raw.rest()
				raw.Close()
				synctest.Wait()
				if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, c.end) {
					t.Errorf("the session ends with %v, want %v", e.Err, c.end)
				}
				if undecided := all[event.LoginUndecided](b.events); len(undecided) > 0 {
					t.Errorf("the login is reported: %+v", undecided)
				}
			})
		})
	}
}

// An account that Login returns after the client has left is released.
func TestAccountAfterClientLeftIsReleased(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.srv.Login = func(ctx context.Context, _ proxy.Attempt) (proxy.Account, error) {
			<-ctx.Done()
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.account(), nil
		}
	}, func(b *bench) {
		c := b.rawConnect()
		c.handshake()
		c.memConn.Write(c.password("secret"))
		synctest.Wait()
		c.Close()
		synctest.Wait()
		if b.released != 1 {
			t.Errorf("%d accounts were released, want 1", b.released)
		}
	})
}
