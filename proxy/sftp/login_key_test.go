package sftp

import (
	"context"
	"errors"
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

// knows makes the server accept keys of "user", and log in with them or with the password; both are needed if pair is set.
func (b *bench) knows(pair bool, keys ...ssh.Signer) {
	isKnown := func(a proxy.Attempt) bool {
		return a.User == "user" && slices.ContainsFunc(keys, func(k ssh.Signer) bool { return string(k.PublicKey().Marshal()) == string(a.PublicKey) })
	}
	b.srv.AcceptsKey = func(_ context.Context, a proxy.Attempt) error {
		if !isKnown(a) {
			return fs.ErrPermission
		}
		return nil
	}
	b.srv.Login = func(_ context.Context, a proxy.Attempt) (proxy.Account, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.attempts = append(b.attempts, a)
		right := a.User == "user" && a.Password == "secret"
		switch {
		case a.Password != "" && !right, a.PublicKey != nil && !isKnown(a):
			return proxy.Account{}, fs.ErrPermission
		case pair && !right:
			return proxy.Account{}, proxy.ErrNeedsPassword
		case pair && a.PublicKey == nil:
			return proxy.Account{}, proxy.ErrNeedsPublicKey
		}
		return b.account(), nil
	}
}

// A known key logs in, after unknown ones. The refusals of these cost no time.
func TestPublicKeyLogin(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		known := newKey(t)
		b.knows(false, known)
		begin := time.Now()
		b.mustDial(clientConfig(ssh.PublicKeys(newKey(t), newKey(t), known))).Close()
		if took := time.Since(begin); took != 0 {
			t.Errorf("the login took %v", took)
		}
		if a := b.attempts[0]; len(b.attempts) != 1 || a.Method != proxy.ByPublicKey || string(a.PublicKey) != string(known.PublicKey().Marshal()) {
			t.Errorf("attempts %+v", b.attempts)
		}
		if e := only[event.LoginOK](t, b.events); e.Method != proxy.ByPublicKey || e.Key != ssh.FingerprintSHA256(known.PublicKey()) {
			t.Errorf("login by %s with %s", e.Method, e.Key)
		}
		if refused := all[event.LoginRefused](b.events); len(refused) > 0 {
			t.Errorf("the keys before are reported: %+v", refused)
		}
	})
}

// A forger has the public part of one key and signs with another.
type forger struct {
	ssh.Signer
	public ssh.PublicKey
}

func (f forger) PublicKey() ssh.PublicKey { return f.public }

// A key that was accepted, but whose signature is that of another key, logs nobody in.
func TestOtherKeySigned(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		known := newKey(t)
		b.knows(false, known)
		if _, err := b.dial(clientConfig(ssh.PublicKeys(forger{newKey(t), known.PublicKey()}))); err == nil {
			t.Error("the forged signature is accepted")
		}
		if len(b.attempts) > 0 {
			t.Errorf("attempts with an unverified key: %+v", b.attempts)
		}
	})
}

// A client asks about a known key of another user, and then signs with its own. Its account is that of its own key (CVE-2024-45337).
func TestAccountIsThatOfVerifiedKey(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		own, other := newKey(t), newKey(t)
		b.knows(false, own, other)
		c := b.rawConnect()
		c.handshake()
		for _, key := range []ssh.Signer{own, other} {
			c.memConn.Write(c.publicKey(key, nil))
			c.want(msgUserAuthPubKeyOK)
		}
		c.memConn.Write(c.publicKey(own, own))
		c.want(msgUserAuthSuccess)
		if len(b.attempts) != 1 || string(b.attempts[0].PublicKey) != string(own.PublicKey().Marshal()) {
			t.Errorf("attempts %+v, want one with the key that signed", b.attempts)
		}
		c.Close()
	})
}

// The twentieth unknown key ends the connection. The log has one line for all of them.
func TestUnknownKeys(t *testing.T) {
	for _, c := range []struct {
		keys int
		end  error
		log  int // fingerprints
	}{{2, errClientClosed, 2}, {19, errClientClosed, 3}, {25, errTooManyKeys, 3}} {
		inBubble(t, nil, func(b *bench) {
			b.knows(false)
			keys := make([]ssh.Signer, c.keys)
			for i := range keys {
				keys[i] = newKey(t)
			}
			if _, err := b.dial(clientConfig(ssh.PublicKeys(keys...))); err == nil {
				t.Error("the login succeeds")
			}
			synctest.Wait()
			if e := only[event.SessionEnd](t, b.events); !errors.Is(e.Err, c.end) {
				t.Errorf("%d keys: the session ends with %v, want %v", c.keys, e.Err, c.end)
			}
			e := only[event.LoginRefused](t, b.events)
			if n := strings.Count(e.Err.Error(), "SHA256:"); n != c.log || e.User != "user" || e.Method != proxy.ByPublicKey {
				t.Errorf("%d keys: %+v has %d fingerprints, want %d", c.keys, e, n, c.log)
			}
		})
	}
}

// A user may need a key and a password, in either order. The last attempt has both.
func TestTwoFactors(t *testing.T) {
	known := newKey(t)
	for name, methods := range map[string][]ssh.AuthMethod{
		"key, then password":             {ssh.PublicKeys(known), ssh.Password("secret")},
		"password, then key":             {ssh.Password("secret"), ssh.PublicKeys(known)},
		"key, then keyboard-interactive": {ssh.PublicKeys(known), prompts(t, "secret")},
		"keyboard-interactive, then key": {prompts(t, "secret"), ssh.PublicKeys(known)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				b.knows(true, known)
				b.mustDial(clientConfig(methods...)).Close()
				a := b.attempts[len(b.attempts)-1]
				if len(b.attempts) != 2 || a.Password != "secret" || string(a.PublicKey) != string(known.PublicKey().Marshal()) {
					t.Errorf("attempts %+v", b.attempts)
				}
			})
		})
	}
}

// One factor of two does not log in, whatever comes after it.
func TestOneFactorOfTwo(t *testing.T) {
	known := newKey(t)
	for name, methods := range map[string][]ssh.AuthMethod{
		"key alone":              {ssh.PublicKeys(known)},
		"key, wrong password":    {ssh.PublicKeys(known), passwords("a", "b", "c", "secret")},
		"password alone":         {ssh.Password("secret")},
		"password, unknown key":  {ssh.Password("secret"), ssh.PublicKeys(newKey(t))},
		"password, forged key":   {ssh.Password("secret"), ssh.PublicKeys(forger{newKey(t), known.PublicKey()})},
		"wrong password and key": {ssh.Password("wrong"), ssh.PublicKeys(known)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				b.knows(true, known)
				if _, err := b.dial(clientConfig(methods...)); err == nil {
					t.Error("the login succeeds")
				}
			})
		})
	}
}

// After the first of two factors the user cannot change.
func TestUserCannotChangeAfterFirstFactor(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		known := newKey(t)
		b.knows(true, known)
		c := b.rawConnect()
		c.handshake()
		c.memConn.Write(c.password("secret"))
		c.want(msgUserAuthFailure)
		c.user = "other"
		c.memConn.Write(c.publicKey(known, known))
		if _, err := c.next(); err == nil {
			t.Error("the server goes on")
		}
		c.Close()
	})
}

// A source that asks for the factor that it has got already refuses the login.
func TestFactorThatIsNeverEnough(t *testing.T) {
	known := newKey(t)
	for name, methods := range map[string][]ssh.AuthMethod{
		"key, then password": {ssh.PublicKeys(known), ssh.Password("secret")},
		"password, then key": {ssh.Password("secret"), ssh.PublicKeys(known)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				b.knows(false, known)
				attempts := 0
				b.srv.Login = func(_ context.Context, a proxy.Attempt) (proxy.Account, error) {
					attempts++
					if a.Method == proxy.ByPassword {
						return proxy.Account{}, proxy.ErrNeedsPublicKey
					}
					return proxy.Account{}, proxy.ErrNeedsPassword
				}
				if _, err := b.dial(clientConfig(methods...)); err == nil {
					t.Error("the login succeeds")
				}
				synctest.Wait()
				if only[event.LoginRefused](t, b.events); attempts != 2 {
					t.Errorf("%d attempts, want 2", attempts)
				}
			})
		})
	}
}

// Unknown keys before wrong passwords are not reported: clients offer all that they have.
func TestUnknownKeysBeforePassword(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.knows(false)
		if _, err := b.dial(clientConfig(ssh.PublicKeys(newKey(t)), ssh.Password("wrong"))); err == nil {
			t.Error("the login succeeds")
		}
		synctest.Wait()
		if e := only[event.LoginRefused](t, b.events); e.Method != proxy.ByPassword {
			t.Errorf("%+v", e)
		}
	})
}
