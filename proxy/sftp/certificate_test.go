package sftp

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// certified returns a signer with a certificate of the authority for "user", valid for an hour around now, that change may change.
func certified(t *testing.T, authority ssh.Signer, change func(*ssh.Certificate)) ssh.Signer {
	key := newKey(t)
	now := uint64(time.Now().Unix())
	c := &ssh.Certificate{
		Key: key.PublicKey(), Serial: 7, CertType: ssh.UserCert, KeyId: "user@laptop", ValidPrincipals: []string{"user"},
		ValidAfter: now - 1800, ValidBefore: now + 1800, Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
	if change != nil {
		change(c)
	}
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// trusts makes the server accept certificates of the authority. They log users in that are named "user" or "other".
func (b *bench) trusts(authority ssh.PublicKey) {
	b.srv.IsUserAuthority = func(_ context.Context, key ssh.PublicKey) (bool, error) {
		return string(key.Marshal()) == string(authority.Marshal()), nil
	}
	b.srv.AcceptsKey = func(_ context.Context, a proxy.Attempt) error {
		if !a.Certified {
			return fs.ErrPermission
		}
		return nil
	}
	b.srv.Login = func(_ context.Context, a proxy.Attempt) (proxy.Account, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.attempts = append(b.attempts, a)
		if !a.Certified {
			return proxy.Account{}, fs.ErrPermission
		}
		return b.account(), nil
	}
}

// A certificate logs in the user that it names, as long as it is valid, if the server trusts its authority. The log says why others
// are refused.
func TestCertificates(t *testing.T) {
	option := func(name, value string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{name: value} }
	}
	for name, x := range map[string]struct {
		change  func(*ssh.Certificate)
		refused string // "" = accepted
	}{
		"good":                {nil, ""},
		"several principals":  {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"alice", "user"} }, ""},
		"valid for ever":      {func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = 0, ssh.CertTimeInfinity }, ""},
		"client's network":    {option("source-address", "198.51.100.0/24,2001:db8::1"), ""},
		"client's address":    {option("source-address", "192.0.2.1,198.51.100.7"), ""},
		"other principal":     {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"other"} }, `principal "user" not in`},
		"no principal":        {func(c *ssh.Certificate) { c.ValidPrincipals = nil }, "no principals"},
		"expired":             {func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Unix()) }, "expired"},
		"not yet valid":       {func(c *ssh.Certificate) { c.ValidAfter = uint64(time.Now().Unix()) + 1 }, "not yet valid"},
		"other network":       {option("source-address", "192.0.2.0/24"), "not in source-address"},
		"invalid network":     {option("source-address", "192.0.2.0/24,lan"), "invalid source-address"},
		"no network":          {option("source-address", ""), "invalid source-address"},
		"command":             {option("force-command", "internal-sftp"), `critical option "force-command"`},
		"unknown option":      {option("verify-required", ""), `critical option "verify-required"`},
		"of a host":           {func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, "not one of a user"},
		"of an unknown kind":  {func(c *ssh.Certificate) { c.CertType = 3 }, "not one of a user"},
		"changed afterwards":  {nil, "signature does not verify"},
		"of another CA":       {nil, "another authority"},
		"without authorities": {nil, "no authority is accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				authority := newKey(t)
				b.trusts(authority.PublicKey())
				if name == "of another CA" {
					authority = newKey(t)
				}
				if name == "without authorities" {
					b.srv.IsUserAuthority = nil
				}
				signer := certified(t, authority, x.change)
				if name == "changed afterwards" {
					signer.PublicKey().(*ssh.Certificate).Serial++
				}
				client, err := b.dial(clientConfig(ssh.PublicKeys(signer)))
				if x.refused == "" {
					if err != nil {
						t.Fatalf("refused: %v", err)
					}
					client.Close()
					e, c := only[event.LoginOK](t, b.events), signer.PublicKey().(*ssh.Certificate)
					want := `certificate "user@laptop", serial 7, of ` + ssh.FingerprintSHA256(c.SignatureKey)
					if e.Key != ssh.FingerprintSHA256(c.Key) || e.Certificate != want || len(b.attempts) != 1 {
						t.Errorf("the login is logged as %+v, after %d attempts", e, len(b.attempts))
					}
					return
				}
				if err == nil {
					t.Fatal("accepted")
				}
				synctest.Wait()
				if e := only[event.LoginRefused](t, b.events); !strings.Contains(e.Err.Error(), x.refused) || len(b.attempts) > 0 {
					t.Errorf("%v, after %d attempts; want a refusal with %q and none", e.Err, len(b.attempts), x.refused)
				}
			})
		})
	}
}

// A certificate that expires between the offer and the signature does not log in, nor does one whose authority was removed meanwhile.
func TestCertificateIsCheckedAgain(t *testing.T) {
	for name, end := range map[string]func(*bench){
		"expired":   func(*bench) { <-time.After(30 * time.Second) },
		"authority": func(b *bench) { b.trusts(newKey(b.T).PublicKey()) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				authority := newKey(t)
				b.trusts(authority.PublicKey())
				signer := certified(t, authority, func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Unix()) + 20 })
				c := b.rawConnect()
				defer c.Close()
				c.handshake()
				c.memConn.Write(c.publicKey(signer, nil))
				c.want(msgUserAuthPubKeyOK)
				end(b)
				c.memConn.Write(c.publicKey(signer, signer))
				c.want(msgUserAuthFailure)
				if e := only[event.LoginRefused](t, b.events); !errors.Is(e.Err, errCertificateEnded) || len(b.attempts) > 0 {
					t.Errorf("%v, after %d attempts", e.Err, len(b.attempts))
				}
			})
		})
	}
}

// If the authorities cannot be read, the login is undecided.
func TestAuthoritiesUnreadable(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		authority := newKey(t)
		b.trusts(authority.PublicKey())
		b.srv.IsUserAuthority = func(context.Context, ssh.PublicKey) (bool, error) { return false, errors.New("no disk") }
		if _, err := b.dial(clientConfig(ssh.PublicKeys(certified(t, authority, nil)))); err == nil {
			t.Fatal("accepted")
		}
		if e := only[event.LoginUndecided](t, b.events); !strings.Contains(e.Err.Error(), "no disk") {
			t.Error(e.Err)
		}
	})
}
