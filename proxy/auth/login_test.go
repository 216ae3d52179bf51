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
		"bytes that are no UTF-8":      {"p\xe4ss", "alice", "p\xe4ss", nil},
		"a line break in the password": {hashedRaw("won\nder"), "alice", "won\nder", ErrDenied},
		"a delete in the password":     {hashedRaw("won\x7fder"), "alice", "won\x7fder", ErrDenied},
	} {
		g := &Gate{User: "alice", Secret: Text(c.secret), Turns: NewTurns(1)}
		for range 2 { // the second time from memory, where it was right
			if got := g.Check(t.Context(), c.user, c.password); got != c.want {
				t.Errorf("%s: got %v, want %v", name, got, c.want)
			}
		}
	}
}

// Made by the reference implementation, with the salt "somesalt".
const (
	argonReference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	argonOther     = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
)

// hashedRaw hashes what Hash refuses.
func hashedRaw(password string) string {
	hash, _ := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	return string(hash)
}

func TestGateWithoutUser(t *testing.T) {
	g := &Gate{Secret: Text("wonderland")}
	if err := g.Check(t.Context(), "", "wonderland"); err != ErrDenied {
		t.Errorf("got %v", err)
	}
}

// A certificate stands for the password of the one user, and of nobody where no subject is set.
func TestCertified(t *testing.T) {
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
		"nobody":                   {"", "alice", "", alice, false},
		"no subject":               {"alice", "", "alice", alice, false},
		"no subject, an empty one": {"alice", "", "alice", []string{""}, false},
		"no name":                  {"alice", "alice", "alice", nil, false},
	} {
		if got := (&Gate{User: c.allowed, Subject: c.subject}).Certified(c.user, c.subjects...); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// Without a password none is right, not even none.
func TestNoSecret(t *testing.T) {
	for _, password := range []string{"", "x"} {
		if err := (&Gate{User: "alice", Subject: "alice"}).Check(t.Context(), "alice", password); err != ErrDenied {
			t.Errorf("%q: got %v", password, err)
		}
	}
}

// What cannot be told is neither yes nor no.
func TestCheckCannotTell(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, secret := range map[string]func() (string, error){
		"unreadable":     func() (string, error) { return "", broken },
		"empty":          Text(""),
		"unknown hash":   Text("$6$salt$hash"),
		"broken bcrypt":  Text("$2y$10$abc"),
		"broken argon2":  Text("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ"),
		"argon2 version": Text(strings.Replace(argonReference, "v=19", "v=16", 1)),
		"argon2 of 1 TB": Text(strings.Replace(argonReference, "m=256", "m=1073741824", 1)),
		"argon2 of none": Text(strings.Replace(argonReference, "t=2", "t=0", 1)),
		"no threads":     Text(strings.Replace(argonReference, "p=1", "p=0", 1)),
	} {
		g := &Gate{User: "alice", Secret: secret, Turns: NewTurns(1)}
		err := g.Check(t.Context(), "alice", "")
		if err == nil || errors.Is(err, ErrDenied) {
			t.Errorf("%s: got %v", name, err)
		}
		if name == "unreadable" && !errors.Is(err, broken) {
			t.Errorf("the cause is lost in %v", err)
		}
		if err != nil && strings.Contains(err.Error(), "c29tZXNhbHQ") {
			t.Errorf("%s: the hash shows in %v", name, err)
		}
	}
}

func TestHash(t *testing.T) {
	a, b := hashed(t, "wonderland"), hashed(t, "wonderland")
	if a == b {
		t.Error("two hashes with one salt")
	}
	if !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") || Usable(a) != nil {
		t.Errorf("got %s, %v", a, Usable(a))
	}
	for _, password := range []string{"", "a\nb", "a\x00", "\x7f"} {
		if hash, err := Hash(password); err == nil {
			t.Errorf("%q is hashed: %s", password, hash)
		}
	}
}

// A gate without turns hashes nothing.
func TestNoTurns(t *testing.T) {
	g := &Gate{User: "alice", Secret: Text(bcryptHash(t, "wonderland", "2y"))}
	if err := g.Check(t.Context(), "alice", "wonderland"); !errors.Is(err, errNoTurns) {
		t.Errorf("got %v", err)
	}
}

// Gates share their turns: with every turn taken no password is hashed, right or wrong, and the wait ends with its context.
func TestTurns(t *testing.T) {
	turns := NewTurns(3)
	for range cap(turns.free) {
		turns.free <- struct{}{}
	}
	g := &Gate{User: "alice", Secret: Text(bcryptHash(t, "wonderland", "2y")), Turns: turns}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Check(ctx, "alice", "wonderland"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range 100 { // a turn that is free with the end of the context is not taken
		<-turns.free
		hashed := func() bool { t.Error("a password is hashed for a context that has ended"); return true }
		ended := &endedLater{Context: ctx}
		if _, err := turns.hash(ended, hashed); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		turns.free <- struct{}{}
	}
	easy := &Gate{User: "alice", Secret: Text("wonderland"), Turns: turns}
	if err := easy.Check(t.Context(), "alice", "wonderland"); err != nil {
		t.Errorf("a plain password has to wait: %v", err)
	}
	other := &Gate{User: "alice", Secret: g.Secret, Turns: turns}
	var waiting sync.WaitGroup
	results := make(chan error, 10)
	for range 5 {
		waiting.Go(func() { results <- g.Check(t.Context(), "alice", "wonderland") })
		waiting.Go(func() { results <- other.Check(t.Context(), "alice", "wonderland") })
	}
	select {
	case err := <-results:
		t.Errorf("hashed out of turn: %v", err)
	default:
	}
	for range cap(turns.free) {
		<-turns.free
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
	g := &Gate{User: "alice", Secret: File(name, nil), Turns: NewTurns(1)}
	if err := g.Check(t.Context(), "alice", "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	for _, c := range []struct{ text, password string }{
		{"one", "one"}, {"two\n", "two"}, {"six\r\n", "six"}, {" ten ", " ten "}, {hashed(t, "seven") + "\n", "seven"},
	} {
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := g.Check(t.Context(), "alice", c.password); err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if err := g.Check(t.Context(), "alice", "one"); (err == nil) != (c.password == "one") {
			t.Errorf("%q: the first password: %v", c.text, err)
		}
	}
	for _, text := range []string{"", "\n", "\uFEFF\n", "\n\nseven", "\xFF\xFEs\x00", strings.Repeat("x", longest+1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := g.Check(t.Context(), "alice", "seven"); err == nil || errors.Is(err, ErrDenied) {
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
		if a, ok := s.(argon); ok && (a.time < 1 || a.threads < 1 || a.memory > argonMemory || len(a.key) == 0) {
			t.Fatalf("%q would be %+v", text, a)
		}
	})
}

// An endedLater is a context that has ended but for the first look at it.
type endedLater struct {
	context.Context
	looks int
}

func (e *endedLater) Err() error {
	if e.looks++; e.looks == 1 {
		return nil
	}
	return e.Context.Err()
}
