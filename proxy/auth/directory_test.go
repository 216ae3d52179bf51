package auth

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/s3ftpd/s3ftpd/proxy"
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

// alice is a user with a password or hash.
func alice(password string) User { return User{Name: "alice", Password: password} }

// directory returns a directory of these users, and the work of the passwords that it has checked.
func directory(t testing.TB, users ...User) (*Directory, *checked) {
	t.Helper()
	c := &checked{works: map[work]int{}}
	d := &Directory{Limiter: NewHashLimiter(1, 1<<30, LargestHash(users)), CertificateSetting: "--user-certificate", hashing: c.add}
	if err := d.Replace(users); err != nil {
		t.Fatal(err)
	}
	return d, c
}

// checked counts the passwords that a directory has checked, by their work.
type checked struct {
	mu    sync.Mutex
	works map[work]int
}

func (c *checked) add(w work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.works[w]++
}

// take returns what was checked since the last take.
func (c *checked) take() map[work]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	works := c.works
	c.works = map[work]int{}
	return works
}

var client = netip.MustParseAddrPort("192.0.2.7:1025")

// attempt returns an attempt to log in with a password.
func attempt(user, password string) proxy.Attempt {
	return proxy.Attempt{User: user, Password: password, Method: proxy.ByPassword, Protocol: "ftp", Peer: client}
}

// login returns the error of a login with a password.
func login(t testing.TB, d *Directory, user, password string) error {
	t.Helper()
	u, err := d.Login(t.Context(), attempt(user, password))
	if (err == nil) != (u.Name != "") || err == nil && u.Name != user {
		t.Errorf("the login of %q returns the user %q and the error %v", user, u.Name, err)
	}
	return err
}

func TestLogin(t *testing.T) {
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
		d, _ := directory(t, alice(c.secret))
		for range 2 { // a right login is remembered the second time
			if got := login(t, d, c.user, c.password); !errors.Is(got, c.want) || c.want == nil && got != nil {
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

// Without users, a user without a password, and a user without a name.
func TestNoPassword(t *testing.T) {
	none, _ := directory(t)
	noPassword, _ := directory(t, User{Name: "alice", Certificate: "alice"})
	for _, d := range []*Directory{{Limiter: NewHashLimiter(1, 1<<30, 0)}, none, noPassword} {
		for _, name := range []string{"", "alice"} {
			for _, password := range []string{"", "x"} {
				if err := login(t, d, name, password); !errors.Is(err, ErrDenied) || !errors.Is(err, fs.ErrPermission) {
					t.Errorf("%q with password %q: %v, want %v", name, password, err, ErrDenied)
				}
			}
		}
	}
}

// A password that cannot be checked is an error of its own, so that the client is not told that it is wrong.
func TestUncheckable(t *testing.T) {
	errRead := &fs.PathError{Op: "open", Path: "password", Err: fs.ErrPermission}
	for name, secret := range map[string]func() (string, error){
		"unreadable":     func() (string, error) { return "", errRead },
		"empty":          Fixed(""),
		"unknown hash":   Fixed("$1$salt$hash"),
		"broken crypt":   Fixed("$6$salt$hash"),
		"broken bcrypt":  Fixed("$2y$10$abc"),
		"cut argon2":     Fixed(argonReference[:len(argonReference)-3]),
		"broken argon2":  Fixed("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ"),
		"argon2 version": Fixed(strings.Replace(argonReference, "v=19", "v=16", 1)),
		"argon2 1 TiB":   Fixed(strings.Replace(argonReference, "m=256", "m=1073741824", 1)),
		"0 passes":       Fixed(strings.Replace(argonReference, "t=2", "t=0", 1)),
		"0 threads":      Fixed(strings.Replace(argonReference, "p=1", "p=0", 1)),
	} {
		d, _ := directory(t, User{Name: "alice", Secret: secret})
		err := login(t, d, "alice", "")
		if err == nil || errors.Is(err, ErrDenied) || errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: got %v, want an error other than %v", name, err, ErrDenied)
		}
		if text, err := secret(); err == nil && text != "" {
			if err := d.Replace([]User{alice(text)}); err == nil || strings.Contains(err.Error(), "c29tZXNhbHQ") {
				t.Errorf("%s: Replace returns %v", name, err)
			}
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

// Without a limiter a Directory does not hash, rather than without a limit.
func TestNoLimiter(t *testing.T) {
	d := &Directory{}
	if err := d.Replace([]User{alice(bcryptHash(t, "wonderland", "2y"))}); err != nil {
		t.Fatal(err)
	}
	if err := login(t, d, "alice", "wonderland"); !errors.Is(err, errNoLimiter) {
		t.Errorf("got %v", err)
	}
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "password")
	d, _ := directory(t, User{Name: "alice", Secret: File(name, nil)})
	if err := login(t, d, "alice", "x"); err == nil || errors.Is(err, ErrDenied) {
		t.Errorf("without a file: %v", err)
	}
	for _, c := range []struct{ text, password string }{
		{"one", "one"}, {"two\n", "two"}, {"six\r\n", "six"}, {" ten ", " ten "}, {hashed(t, "seven") + "\n", "seven"},
	} {
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := login(t, d, "alice", c.password); err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if err := login(t, d, "alice", "one"); (err == nil) != (c.password == "one") {
			t.Errorf("%q: the first password: %v", c.text, err)
		}
	}
	for _, text := range []string{"", "\n", "\uFEFF\n", "\n\nseven", "\xFF\xFEs\x00", strings.Repeat("x", maxSecret+1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := login(t, d, "alice", "seven"); err == nil || errors.Is(err, ErrDenied) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func FuzzSecret(f *testing.F) {
	for _, text := range []string{"", "x", "$2y$10$", argonReference, argonOther, "$argon2id$v=19$m=1,t=1,p=1$$", "$6$x$y", cryptReference[4].hash} {
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
