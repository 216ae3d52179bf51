package auth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func hashed(t testing.TB, password string) string {
	t.Helper()
	hash, err := Hash(password)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func bcryptHash(t testing.TB, password, version string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return "$" + version + string(hash[3:])
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", 72)
	for name, c := range map[string]struct {
		secret, user, password string
		want                   error
	}{
		"plain, right":                 {"wonderland", "alice", "wonderland", nil},
		"plain, wrong password":        {"wonderland", "alice", "wonderlan", ErrDenied},
		"plain, no password":           {"wonderland", "alice", "", ErrDenied},
		"plain, wrong name":            {"wonderland", "bob", "wonderland", ErrDenied},
		"plain, no name":               {"wonderland", "", "wonderland", ErrDenied},
		"plain, both wrong":            {"wonderland", "bob", "x", ErrDenied},
		"plain, other case":            {"wonderland", "Alice", "wonderland", ErrDenied},
		"plain, the name with a NUL":   {"wonderland", "alice\x00", "wonderland", ErrDenied},
		"argon2id, right":              {hashed(t, "wonderland"), "alice", "wonderland", nil},
		"argon2id, wrong password":     {hashed(t, "wonderland"), "alice", "Wonderland", ErrDenied},
		"argon2id, wrong name":         {hashed(t, "wonderland"), "bob", "wonderland", ErrDenied},
		"argon2id, the hash itself":    {argonReference, "alice", argonReference, ErrDenied},
		"argon2id, not made here":      {argonReference, "alice", "password", nil},
		"argon2id, other parameters":   {argonOther, "alice", "password", nil},
		"bcrypt 2a":                    {bcryptHash(t, "wonderland", "2a"), "alice", "wonderland", nil},
		"bcrypt 2b":                    {bcryptHash(t, "wonderland", "2b"), "alice", "wonderland", nil},
		"bcrypt 2y":                    {bcryptHash(t, "wonderland", "2y"), "alice", "wonderland", nil},
		"bcrypt, wrong password":       {bcryptHash(t, "wonderland", "2y"), "alice", "x", ErrDenied},
		"bcrypt, 72 bytes":             {bcryptHash(t, long, "2y"), "alice", long, nil},
		"bcrypt, 73 bytes":             {bcryptHash(t, long, "2y"), "alice", long + "x", ErrDenied},
		"UTF-8":                        {"pässwörd", "alice", "pässwörd", nil},
		"invalid UTF-8":                {"p\xe4ss", "alice", "p\xe4ss", nil},
		"a line break in the password": {hashedRaw("won\nder"), "alice", "won\nder", ErrDenied},
		"a DEL in the password":        {hashedRaw("won\x7fder"), "alice", "won\x7fder", ErrDenied},
	} {
		a := &Authenticator{User: "alice", Secret: Fixed(c.secret), Limiter: NewHashLimiter(1)}
		for range 2 { // a successful login is cached the second time
			if got := a.Check(t.Context(), c.user, c.password); got != c.want {
				t.Errorf("%s: got %v, want %v", name, got, c.want)
			}
		}
	}
}

// Hashes by the reference implementation, with the salt "somesalt".
const (
	argonReference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	argonOther     = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
)

// hashedRaw returns a hash of a password that Hash refuses.
func hashedRaw(password string) string {
	hash, _ := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	return string(hash)
}

func TestAuthenticatorWithoutUser(t *testing.T) {
	a := &Authenticator{Secret: Fixed("wonderland")}
	if err := a.Check(t.Context(), "", "wonderland"); err != ErrDenied {
		t.Errorf("got %v", err)
	}
}

func TestAcceptsCertificate(t *testing.T) {
	alice := []string{"CN=alice", "alice"}
	for name, c := range map[string]struct {
		allowed, subject, user string
		subjects               []string
		want                   bool
	}{
		"right":                    {"alice", "alice", "alice", alice, true},
		"the whole subject":        {"alice", "CN=alice", "alice", alice, true},
		"another certificate":      {"alice", "alice", "alice", []string{"CN=bob", "bob"}, false},
		"another case":             {"alice", "alice", "alice", []string{"CN=Alice", "Alice"}, false},
		"another user":             {"alice", "alice", "bob", alice, false},
		"no user":                  {"", "alice", "", alice, false},
		"no subject":               {"alice", "", "alice", alice, false},
		"no subject, an empty one": {"alice", "", "alice", []string{""}, false},
		"no name":                  {"alice", "alice", "alice", nil, false},
	} {
		if got := (&Authenticator{User: c.allowed, Subject: c.subject}).AcceptsCertificate(c.user, c.subjects...); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// Without a secret every password is wrong, the empty one too.
func TestAuthenticatorWithoutSecret(t *testing.T) {
	for _, password := range []string{"", "x"} {
		if err := (&Authenticator{User: "alice", Subject: "alice"}).Check(t.Context(), "alice", password); err != ErrDenied {
			t.Errorf("password %q: got %v, want %v", password, err, ErrDenied)
		}
	}
}

// A password that cannot be checked is an error of its own, so that the client is not told that it is wrong.
func TestCheckWithInvalidSecret(t *testing.T) {
	errRead := errors.New("input/output error")
	for name, secret := range map[string]func() (string, error){
		"unreadable":     func() (string, error) { return "", errRead },
		"empty":          Fixed(""),
		"unknown hash":   Fixed("$6$salt$hash"),
		"broken bcrypt":  Fixed("$2y$10$abc"),
		"broken argon2":  Fixed("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ"),
		"argon2 version": Fixed(strings.Replace(argonReference, "v=19", "v=16", 1)),
		"argon2 1 TiB":   Fixed(strings.Replace(argonReference, "m=256", "m=1073741824", 1)),
		"0 passes":       Fixed(strings.Replace(argonReference, "t=2", "t=0", 1)),
		"0 threads":      Fixed(strings.Replace(argonReference, "p=1", "p=0", 1)),
	} {
		a := &Authenticator{User: "alice", Secret: secret, Limiter: NewHashLimiter(1)}
		err := a.Check(t.Context(), "alice", "")
		if err == nil || errors.Is(err, ErrDenied) {
			t.Errorf("%s: got %v, want an error other than %v", name, err, ErrDenied)
		}
		if name == "unreadable" && !errors.Is(err, errRead) {
			t.Errorf("%v does not wrap its cause", err)
		}
		if err != nil && strings.Contains(err.Error(), "c29tZXNhbHQ") {
			t.Errorf("%s: the error contains the hash: %v", name, err)
		}
	}
}

func TestHash(t *testing.T) {
	a, b := hashed(t, "wonderland"), hashed(t, "wonderland")
	if a == b {
		t.Error("two hashes have the same salt")
	}
	if !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") || Validate(a) != nil {
		t.Errorf("got %s, %v", a, Validate(a))
	}
	for _, password := range []string{"", "a\nb", "a\x00", "\x7f"} {
		if hash, err := Hash(password); err == nil {
			t.Errorf("Hash(%q) = %s, want an error", password, hash)
		}
	}
}

// Without a limiter an Authenticator does not hash, rather than without a limit.
func TestNoLimiter(t *testing.T) {
	a := &Authenticator{User: "alice", Secret: Fixed(bcryptHash(t, "wonderland", "2y"))}
	if err := a.Check(t.Context(), "alice", "wonderland"); !errors.Is(err, errNoLimiter) {
		t.Errorf("got %v", err)
	}
}

// Authenticators share a limiter. While the maximal number of passwords is being hashed, further ones wait, until their context ends.
func TestHashLimiter(t *testing.T) {
	limiter := NewHashLimiter(3)
	for range cap(limiter.running) {
		limiter.running <- struct{}{}
	}
	a := &Authenticator{User: "alice", Secret: Fixed(bcryptHash(t, "wonderland", "2y")), Limiter: limiter}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Check(ctx, "alice", "wonderland"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range 100 { // the context ends at the moment when hashing becomes possible
		<-limiter.running
		hashed := func() bool { t.Error("a password is hashed after the end of its context"); return true }
		ending := &endsAfterFirstErr{Context: ctx}
		if _, err := limiter.hash(ending, hashed); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		limiter.running <- struct{}{}
	}
	plain := &Authenticator{User: "alice", Secret: Fixed("wonderland"), Limiter: limiter}
	if err := plain.Check(t.Context(), "alice", "wonderland"); err != nil {
		t.Errorf("a password in plain text waits for the limiter: %v", err)
	}
	other := &Authenticator{User: "alice", Secret: a.Secret, Limiter: limiter}
	var waiting sync.WaitGroup
	results := make(chan error, 10)
	for range 5 {
		waiting.Go(func() { results <- a.Check(t.Context(), "alice", "wonderland") })
		waiting.Go(func() { results <- other.Check(t.Context(), "alice", "wonderland") })
	}
	select {
	case err := <-results:
		t.Errorf("a password was hashed beyond the limit: %v", err)
	default:
	}
	for range cap(limiter.running) {
		<-limiter.running
	}
	waiting.Wait()
	for range 10 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "password")
	a := &Authenticator{User: "alice", Secret: File(name, nil), Limiter: NewHashLimiter(1)}
	if err := a.Check(t.Context(), "alice", "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	for _, c := range []struct{ text, password string }{
		{"one", "one"}, {"two\n", "two"}, {"six\r\n", "six"}, {" ten ", " ten "}, {hashed(t, "seven") + "\n", "seven"},
	} {
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.Check(t.Context(), "alice", c.password); err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if err := a.Check(t.Context(), "alice", "one"); (err == nil) != (c.password == "one") {
			t.Errorf("%q: the first password: %v", c.text, err)
		}
	}
	for _, text := range []string{"", "\n", "\uFEFF\n", "\n\nseven", "\xFF\xFEs\x00", strings.Repeat("x", maxSecret+1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.Check(t.Context(), "alice", "seven"); err == nil || errors.Is(err, ErrDenied) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func FuzzSecret(f *testing.F) {
	for _, text := range []string{"", "x", "$2y$10$", argonReference, argonOther, "$argon2id$v=19$m=1,t=1,p=1$$", "$6$x$y"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err == nil && s == nil || err != nil && text != "" && len(text) > 12 && strings.Contains(err.Error(), text) {
			t.Fatalf("%q: %v, %v", text, s, err)
		}
		if a, ok := s.(argonSecret); ok && (a.time < 1 || a.threads < 1 || a.memory > maxArgonMemory || len(a.key) == 0) {
			t.Fatalf("%q would be %+v", text, a)
		}
	})
}

// endsAfterFirstErr is an ended context with an Err method that returns nil the first time.
type endsAfterFirstErr struct {
	context.Context
	calls int
}

func (e *endsAfterFirstErr) Err() error {
	if e.calls++; e.calls == 1 {
		return nil
	}
	return e.Context.Err()
}
