package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// accountOf returns a function that makes accounts on a store.
func accountOf(store proxy.Store) func(string, netip.Addr) proxy.Account {
	return func(user string, _ netip.Addr) proxy.Account { return proxy.Account{User: user, Store: store} }
}

func TestAdmit(t *testing.T) {
	store := proxy.Store(new(s3fs.FS))
	in := admit(directory(&config.Config{User: "alice", Password: "wonderland"}, nil, quiet), accountOf(store)).login
	if got, err := in(t.Context(), proxy.Attempt{User: "alice", Password: "wonderland"}); err != nil || got.Store != store || got.User != "alice" {
		t.Errorf("right: %v, %v", got, err)
	}
	if got, err := in(t.Context(), proxy.Attempt{User: "alice", Password: "x"}); got.Store != nil || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("wrong: %v, %v", got, err)
	}
	guests := new(auth.Directory)
	if err := guests.Replace([]auth.User{{Name: "anonymous", Anonymous: true}}); err != nil {
		t.Fatal(err)
	}
	if got, err := admit(guests, accountOf(store)).login(t.Context(), proxy.Attempt{User: "anonymous", Password: "x"}); err != nil || !got.Anonymous {
		t.Errorf("anonymous: %+v, %v", got, err)
	}
	// An unreadable password file is not a wrong password, although both errors are fs.ErrPermission.
	forbidden := func() (string, error) { return "", &fs.PathError{Op: "open", Path: "password", Err: fs.ErrPermission} }
	users := new(auth.Directory)
	if err := users.Replace([]auth.User{{Name: "alice", Secret: forbidden}}); err != nil {
		t.Fatal(err)
	}
	got, err := admit(users, accountOf(store)).login(t.Context(), proxy.Attempt{User: "alice", Password: "wonderland"})
	if got.Store != nil || err == nil || errors.Is(err, fs.ErrPermission) {
		t.Errorf("cannot tell: %v, %v", got, err)
	}
}

// A client certificate with the configured subject is accepted whatever the password is. No other certificate is.
func TestAdmitByCertificate(t *testing.T) {
	of := func(subject pkix.Name) *x509.Certificate { return issue(t, subject, year, nil).Leaf }
	alice, bob := of(pkix.Name{CommonName: "alice", Organization: []string{"Example"}}), of(called("bob"))
	store := proxy.Store(new(s3fs.FS))
	for name, c := range map[string]struct {
		subject        string // --user-certificate
		secret         string // empty: no password is configured
		user, password string
		certificate    *x509.Certificate
		in             bool
	}{
		"at USER":                       {"alice", "wonderland", "alice", "", alice, true},
		"the right password too":        {"alice", "wonderland", "alice", "wonderland", alice, true},
		"a wrong password":              {"alice", "wonderland", "alice", "x", alice, true},
		"no password set":               {"alice", "", "alice", "", alice, true},
		"no password set, but said":     {"alice", "", "alice", "x", alice, true},
		"by the whole subject":          {"CN=alice,O=Example", "", "alice", "", alice, true},
		"by another whole subject":      {"CN=alice,O=Other", "", "alice", "", alice, false},
		"another user":                  {"alice", "wonderland", "bob", "", alice, false},
		"another's certificate":         {"alice", "wonderland", "alice", "", bob, false},
		"another's, and the password":   {"alice", "wonderland", "alice", "wonderland", bob, true},
		"another's, and a wrong one":    {"alice", "wonderland", "alice", "x", bob, false},
		"another's, no password set":    {"alice", "", "alice", "x", bob, false},
		"no certificate, no password":   {"alice", "", "alice", "", nil, false},
		"no certificate, some password": {"alice", "", "alice", "x", nil, false},
		"the password alone":            {"alice", "wonderland", "alice", "wonderland", nil, true},
		"certificates mean nothing":     {"", "wonderland", "alice", "", alice, false},
		"they mean nothing, PASS right": {"", "wonderland", "alice", "wonderland", alice, true},
		"they mean nothing, PASS wrong": {"", "wonderland", "alice", "x", alice, false},
	} {
		users := directory(&config.Config{User: "alice", Password: config.Secret(c.secret), UserCertificate: c.subject}, auth.NewHashLimiter(1, 1<<30, 0), quiet)
		got, err := admit(users, accountOf(store)).login(t.Context(), proxy.Attempt{User: c.user, Password: c.password, Certificate: c.certificate})
		if c.in && (err != nil || got.Store != store) || !c.in && (!errors.Is(err, fs.ErrPermission) || got.Store != nil) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		if c.in {
			continue
		}
		why, meant := err.Error(), c.certificate != nil && c.subject != "" && c.user == "alice"
		if advises := strings.Contains(why, "--user-certificate must be CN="); advises != meant || meant && !strings.Contains(why, c.certificate.Subject.CommonName) {
			t.Errorf("%s: refused with %q", name, why)
		}
	}
}

// serve starts without a password if --user-certificate is set.
func TestNoPassword(t *testing.T) {
	c := &config.Config{User: "alice", UserCertificate: "alice"}
	if err := validatePassword(c); err != nil || secret(c, nil) != nil {
		t.Errorf("got %v", err)
	}
}
