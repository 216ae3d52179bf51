package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/s3ftpd/s3ftpd/proxy"
)

var (
	bcryptWork = work{kind: "bcrypt", rounds: bcrypt.MinCost}
	cryptWork  = work{kind: "SHA-256 crypt", rounds: 1000}
)

func networks(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// certificate returns a client certificate with a subject of pairs such as "CN=alice".
func certificate(t testing.TB, pairs ...string) *x509.Certificate {
	t.Helper()
	types := map[string]asn1.ObjectIdentifier{"CN": commonName, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "C": {2, 5, 4, 6}}
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

// No subject can be made to have the names of another subject.
func TestSubjects(t *testing.T) {
	for _, c := range []struct {
		certificate *x509.Certificate
		want        []string
	}{
		{certificate(t, "O=Example", "CN=alice"), []string{"CN=alice,O=Example", "alice"}},
		{certificate(t, "CN=alice", "O=Example"), []string{"O=Example,CN=alice", "alice"}}, // a different subject
		{certificate(t, "C=DE", "OU=b", "OU=a", "CN=Älice"), []string{"CN=Älice,OU=a,OU=b,C=DE", "Älice"}},
		{certificate(t, "CN=alice", "CN=bob"), []string{"CN=bob,CN=alice"}},
		{certificate(t, "CN=CN=alice"), []string{"CN=CN=alice"}},
		{certificate(t, "CN=alice,O=Example"), []string{`CN=alice\,O=Example`}},
		{certificate(t, "O=Example"), []string{"O=Example"}},
		{certificate(t), []string{""}},
		{&x509.Certificate{RawSubject: []byte("x")}, nil},
	} {
		if got := subjects(c.certificate); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// factors are the users of the tests of certificates and of equal work.
func factors(t testing.TB) []User {
	hash := bcryptHash(t, "wonderland", "2y")
	return []User{
		{Name: "password", Password: hash},
		{Name: "certificate", Certificate: "CN=alice,O=Example"},
		{Name: "either", Password: hash, Certificate: "alice"},
		{Name: "both", Password: hash, Certificate: "alice", Factors: []Factor{Password, Certificate}},
		{Name: "password alone", Password: hash, Certificate: "alice", Factors: []Factor{Password}},
		{Name: "certificate alone", Password: hash, Certificate: "alice", Factors: []Factor{Certificate}},
		{Name: "another factor", Password: hash, Certificate: "alice", Factors: []Factor{"public-key"}},
		{Name: "anonymous", Anonymous: true},
		{Name: "disabled", Password: hash, Certificate: "alice", Disabled: true},
		{Name: "disabled anonymous", Anonymous: true, Disabled: true},
		{Name: "expired", Password: hash, Certificate: "alice", Expires: time.Now()},
		{Name: "inside", Password: hash, Certificate: "alice", AllowFrom: networks("10.0.0.0/8", "2001:db8::/32")},
		{Name: "ftps", Password: hash, Certificate: "alice", Protocols: []string{"ftps", "sftp"}},
		{Name: "rare hash", Password: cryptReference[6].hash, Disabled: true},
	}
}

// A certificate is presented at USER, before the password, and then with it. Only the proofs that the user needs log in.
func TestFactors(t *testing.T) {
	d, _ := directory(t, factors(t)...)
	alice, bob := certificate(t, "O=Example", "CN=alice"), certificate(t, "CN=bob")
	const right, wrong = "wonderland", "x"
	for user, c := range map[string]struct {
		atUser, rightCert, wrongCert, rightBob, rightNone, wrongNone bool // what logs in
	}{
		"password":           {false, true, false, true, true, false},
		"certificate":        {true, true, true, false, false, false},
		"either":             {true, true, true, true, true, false},
		"both":               {false, true, false, false, false, false},
		"password alone":     {false, true, false, true, true, false},
		"certificate alone":  {true, true, true, false, false, false},
		"anonymous":          {false, true, true, true, true, true},
		"another factor":     {},
		"disabled":           {},
		"disabled anonymous": {},
		"expired":            {},
		"inside":             {},
		"ftps":               {},
		"nobody":             {},
		"":                   {},
	} {
		for name, x := range map[string]struct {
			method      proxy.LoginMethod
			password    string
			certificate *x509.Certificate
			in          bool
		}{
			"at USER":               {proxy.ByCertificate, "", alice, c.atUser},
			"at USER, bob's":        {proxy.ByCertificate, "", bob, false},
			"right and certificate": {proxy.ByPassword, right, alice, c.rightCert},
			"wrong and certificate": {proxy.ByPassword, wrong, alice, c.wrongCert},
			"right and bob's":       {proxy.ByPassword, right, bob, c.rightBob},
			"right":                 {proxy.ByPassword, right, nil, c.rightNone},
			"wrong":                 {proxy.ByPassword, wrong, nil, c.wrongNone},
		} {
			a := attempt(user, x.password)
			a.Method, a.Certificate = x.method, x.certificate
			u, err := d.Login(t.Context(), a)
			if x.in != (err == nil) || err != nil && (!errors.Is(err, ErrDenied) || !errors.Is(err, fs.ErrPermission)) || x.in && u.Name != user {
				t.Errorf("%s, %s: %v", user, name, err)
			}
		}
	}
}

// Every refusal costs one hash of the commonest kind, whatever the reason is. With the password of the user, too.
func TestRefusalsCostTheSame(t *testing.T) {
	d, c := directory(t, factors(t)...)
	for _, user := range []string{
		"password", "certificate", "either", "both", "password alone", "certificate alone", "disabled", "disabled anonymous", "expired", "inside", "ftps",
		"rare hash", "nobody", "", "password\x00",
	} {
		for _, password := range []string{"x", "wonderland", "the minimum number is still observed", "", "won\nderland"} {
			right := password == "wonderland" && slices.Contains([]string{"password", "either", "password alone"}, user)
			err := login(t, d, user, password)
			if works := c.take(); !maps.Equal(works, map[work]int{bcryptWork: 1}) || right != (err == nil) {
				t.Errorf("%q with password %q: %v, work %v", user, password, err, works)
			}
		}
	}
	for _, user := range []string{"either", "certificate", "nobody"} { // a certificate needs no hash, and an insufficient one none yet
		for _, subject := range []string{"CN=alice", "CN=bob"} {
			a := attempt(user, "")
			a.Method, a.Certificate = proxy.ByCertificate, certificate(t, subject)
			d.Login(t.Context(), a)
			if works := c.take(); len(works) != 0 {
				t.Errorf("%q with certificate %s: work %v", user, subject, works)
			}
		}
	}
}

// The commonest kind is that of the passwords as far as they are known: files are not read before their users log in.
func TestCommonestKind(t *testing.T) {
	bcrypts, crypt := bcryptHash(t, "wonderland", "2y"), cryptReference[6].hash
	reads := 0
	file := func() (string, error) { reads++; return crypt, nil }
	d, c := directory(t)
	for _, x := range []struct {
		users []User
		login string
		want  work
		reads int
	}{
		{nil, "", defaultHash().work(), 0},
		{[]User{alice("plain")}, "", work{}, 0},
		{[]User{{Name: "a", Password: bcrypts}, {Name: "b", Password: crypt}, {Name: "c", Password: crypt}}, "", cryptWork, 0},
		{[]User{{Name: "a", Secret: file}, {Name: "b", Secret: file}}, "", defaultHash().work(), 0},
		{[]User{{Name: "a", Secret: file}, {Name: "b", Secret: file}, {Name: "c", Password: bcrypts}}, "", bcryptWork, 0},
		{[]User{{Name: "a", Secret: file}, {Name: "b", Secret: file}, {Name: "c", Password: bcrypts}}, "a", cryptWork, 1}, // equally common: the more expensive
		{[]User{{Name: "a", Secret: file}, {Name: "b", Secret: file}}, "", cryptWork, 1},                                  // known from before
	} {
		if err := d.Replace(x.users); err != nil {
			t.Fatal(err)
		}
		if x.login != "" {
			login(t, d, x.login, "x")
		}
		c.take()
		if err := login(t, d, "nobody", "x"); !errors.Is(err, ErrDenied) {
			t.Error(err)
		}
		if works := c.take(); !maps.Equal(works, map[work]int{x.want: 1}) || reads != x.reads {
			t.Errorf("%d users: work %v and %d files read, want %v and %d", len(x.users), works, reads, x.want, x.reads)
		}
	}
}

// A file may change to another kind of hash.
func TestCommonestKindChanges(t *testing.T) {
	text := cryptReference[6].hash
	file := func() (string, error) { return text, nil }
	d, c := directory(t, User{Name: "a", Secret: file}, User{Name: "b", Secret: file})
	for _, x := range []struct {
		text string
		want work
	}{{text, cryptWork}, {bcryptHash(t, "wonderland", "2y"), bcryptWork}, {"plain", work{}}, {text, cryptWork}} {
		text = x.text
		login(t, d, "a", "x")
		login(t, d, "b", "x")
		c.take()
		login(t, d, "nobody", "x")
		if works := c.take(); !maps.Equal(works, map[work]int{x.want: 1}) {
			t.Errorf("%s: work %v, want %v", x.text, works, x.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expiry := time.Now().Add(time.Hour)
		d, _ := directory(t,
			User{Name: "networks", Password: "x", AllowFrom: networks("10.0.0.0/8", "2001:db8::/32")},
			User{Name: "ftp", Password: "x", Protocols: []string{"ftp"}},
			User{Name: "ftps", Password: "x", Protocols: []string{"ftps"}},
			User{Name: "sftp", Password: "x", Protocols: []string{"sftp"}},
			User{Name: "both", Password: "x", Certificate: "alice", Factors: []Factor{Password, Certificate}},
			User{Name: "expires", Password: "x", Expires: expiry},
		)
		for _, c := range []struct {
			user, address, protocol, tls, want string
		}{
			{"networks", "10.1.2.3", "ftp", "", ""},
			{"networks", "::ffff:10.1.2.3", "ftp", "", ""},
			{"networks", "2001:db8::1%eth0", "ftp", "", ""},
			{"networks", "192.0.2.7", "ftp", "", "the user may not log in from 192.0.2.7, which is not in allow-from"},
			{"networks", "2001:db9::1", "ftp", "", "the user may not log in from 2001:db9::1, which is not in allow-from"},
			{"ftp", "192.0.2.7", "ftp", "", ""},
			{"ftp", "192.0.2.7", "ftp", "TLS 1.3", "the user may not log in with ftps, which is not in protocols"},
			{"ftps", "192.0.2.7", "ftp", "TLS 1.3", ""},
			{"ftps", "192.0.2.7", "ftp", "", "the user may not log in with ftp, which is not in protocols"},
			{"sftp", "192.0.2.7", "sftp", "", ""},
			{"sftp", "192.0.2.7", "ftp", "TLS 1.3", "the user may not log in with ftps, which is not in protocols"},
			{"both", "192.0.2.7", "ftp", "", "the user needs a client certificate too"},
			{"expires", "192.0.2.7", "ftp", "", ""},
			{"nobody", "192.0.2.7", "ftp", "", "unknown user"},
		} {
			a := proxy.Attempt{User: c.user, Password: "x", Protocol: c.protocol, TLS: c.tls, Peer: netip.AddrPortFrom(netip.MustParseAddr(c.address), 1)}
			got := ""
			if _, err := d.Login(t.Context(), a); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%+v: %q", c, got)
			}
		}
		<-time.After(time.Until(expiry) - 1)
		if err := login(t, d, "expires", "x"); err != nil {
			t.Errorf("just before the expiry: %v", err)
		}
		<-time.After(1)
		if err := login(t, d, "expires", "x"); err == nil || !strings.Contains(err.Error(), "expired at "+expiry.UTC().Format(time.DateTime)+" UTC, see expires") {
			t.Errorf("at the expiry: %v", err)
		}
	})
}

// The log of a refused certificate says what the setting would have to be. That of an unknown user does not.
func TestAdviceForCertificates(t *testing.T) {
	d, _ := directory(t, factors(t)...)
	for user, want := range map[string]string{
		"either":   "wrong password; for a login by certificate, --user-certificate must be CN=bob,O=Example or bob",
		"both":     "wrong password; for a login by certificate, --user-certificate must be CN=bob,O=Example or bob",
		"password": "wrong password",
		"nobody":   "unknown user",
	} {
		a := attempt(user, "x")
		a.Certificate = certificate(t, "O=Example", "CN=bob")
		if _, err := d.Login(t.Context(), a); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", user, err, want)
		}
	}
	a := attempt("both", "")
	a.Method, a.Certificate = proxy.ByCertificate, certificate(t, "CN=alice")
	if _, err := d.Login(t.Context(), a); err == nil || err.Error() != "the user needs a password too" {
		t.Errorf("the certificate alone: %v", err)
	}
}

// A set of users with a mistake changes nothing.
func TestReplaceKeepsUsersOnError(t *testing.T) {
	d, _ := directory(t, alice("wonderland"))
	for name, users := range map[string][]User{
		"no name":      {{Password: "x"}},
		"twice":        {{Name: "bob", Password: "x"}, {Name: "bob", Password: "y"}},
		"invalid hash": {{Name: "bob", Password: "x"}, {Name: "carol", Password: "$2y$"}},
	} {
		if err := d.Replace(users); err == nil {
			t.Errorf("%s is accepted", name)
		}
		if err := login(t, d, "alice", "wonderland"); err != nil {
			t.Errorf("%s: alice: %v", name, err)
		}
		if err := login(t, d, "bob", "x"); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: bob: %v", name, err)
		}
	}
}

// Users are replaced while logins run: each sees the users of one time.
func TestReplaceWhileLoginsRun(t *testing.T) {
	set := func(password string) (users []User) {
		for i := range 10 {
			users = append(users, User{Name: fmt.Sprint(i), Secret: Fixed(password)})
		}
		return users
	}
	d, _ := directory(t, set("a")...)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			for range 200 {
				a, b := login(t, d, fmt.Sprint(i), "a"), login(t, d, fmt.Sprint(i), "x")
				if a != nil && !errors.Is(a, ErrDenied) || !errors.Is(b, ErrDenied) {
					t.Errorf("right or replaced: %v, wrong: %v", a, b)
				}
			}
		})
	}
	for i := range 200 {
		if err := d.Replace(set(string('a' + rune(i%2)))); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
}
