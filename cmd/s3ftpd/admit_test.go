package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
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
	in := admit(&auth.Authenticator{User: "alice", Secret: auth.Fixed("wonderland")}, accountOf(store))
	if got, err := in(t.Context(), proxy.Attempt{User: "alice", Password: "wonderland"}); err != nil || got.Store != store || got.User != "alice" {
		t.Errorf("right: %v, %v", got, err)
	}
	if got, err := in(t.Context(), proxy.Attempt{User: "alice", Password: "x"}); got.Store != nil || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("wrong: %v, %v", got, err)
	}
	// An unreadable password file is not a wrong password, although both errors are fs.ErrPermission.
	forbidden := func() (string, error) { return "", &fs.PathError{Op: "open", Path: "password", Err: fs.ErrPermission} }
	got, err := admit(&auth.Authenticator{User: "alice", Secret: forbidden}, accountOf(store))(t.Context(), proxy.Attempt{User: "alice", Password: "wonderland"})
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
		authenticator := &auth.Authenticator{User: "alice", Secret: secret(&config.Config{Password: config.Secret(c.secret)}, nil), Subject: c.subject}
		got, err := admit(authenticator, accountOf(store))(t.Context(),
			proxy.Attempt{User: c.user, Password: c.password, Certificate: c.certificate})
		if c.in && (err != nil || got.Store != store) || !c.in && (!errors.Is(err, fs.ErrPermission) || got.Store != nil) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		if c.in {
			continue
		}
		why, meant := err.Error(), c.certificate != nil && c.subject != ""
		if advises := strings.Contains(why, "--user-certificate must be CN="); advises != meant || meant && !strings.Contains(why, c.certificate.Subject.CommonName) {
			t.Errorf("%s: refused with %q", name, why)
		}
	}
}

// No subject can be made to have the names of another subject.
func TestSubjects(t *testing.T) {
	types := map[string]asn1.ObjectIdentifier{"CN": commonName, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "C": {2, 5, 4, 6}}
	of := func(pairs ...string) *x509.Certificate {
		var whole pkix.RDNSequence
		for _, p := range pairs {
			kind, value, _ := strings.Cut(p, "=")
			whole = append(whole, []pkix.AttributeTypeAndValue{{Type: types[kind], Value: value}})
		}
		raw, err := asn1.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		return &x509.Certificate{RawSubject: raw}
	}
	for _, c := range []struct {
		certificate *x509.Certificate
		want        []string
	}{
		{of("O=Example", "CN=alice"), []string{"CN=alice,O=Example", "alice"}},
		{of("CN=alice", "O=Example"), []string{"O=Example,CN=alice", "alice"}}, // a different subject
		{of("C=DE", "OU=b", "OU=a", "CN=Älice"), []string{"CN=Älice,OU=a,OU=b,C=DE", "Älice"}},
		{of("CN=alice", "CN=bob"), []string{"CN=bob,CN=alice"}},
		{of("CN=CN=alice"), []string{"CN=CN=alice"}},
		{of("CN=alice,O=Example"), []string{`CN=alice\,O=Example`}},
		{of("O=Example"), []string{"O=Example"}},
		{of(), []string{""}},
		{&x509.Certificate{RawSubject: []byte("x")}, nil},
	} {
		if got := subjects(c.certificate); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
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
