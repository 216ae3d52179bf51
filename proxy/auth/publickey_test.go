package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// publicKey returns a public key that logs in from these networks.
func publicKey(key string, from ...string) PublicKey {
	return PublicKey{Digest: sha256.Sum256([]byte(key)), From: networks(from...)}
}

// keyed are the users of the tests of public keys.
func keyed(t testing.TB) []User {
	hash, keys := bcryptHash(t, "wonderland", "2y"), []PublicKey{publicKey("key"), publicKey("other")}
	return []User{
		{Name: "password", Password: hash},
		{Name: "key", PublicKeys: keys},
		{Name: "either", Password: hash, PublicKeys: keys},
		{Name: "both", Password: hash, PublicKeys: keys, Factors: []Factor{Password, Key}},
		{Name: "certificate too", Password: hash, PublicKeys: keys, Certificate: "alice", Factors: []Factor{Password, Certificate}},
		{Name: "file", Keys: func() ([]PublicKey, error) { return keys, nil }},
		{Name: "broken file", Password: hash, Keys: func() ([]PublicKey, error) { return nil, fs.ErrPermission }},
		{Name: "from", PublicKeys: []PublicKey{publicKey("key", "192.0.2.0/24", "2001:db8::/32"), publicKey("other", "192.0.2.7/32")}},
		{Name: "from elsewhere", PublicKeys: []PublicKey{publicKey("key", "198.51.100.0/24"), publicKey("other", "198.51.100.0/24")}},
		{Name: "anonymous", Anonymous: true},
		{Name: "disabled", Password: hash, PublicKeys: keys, Disabled: true},
		{Name: "expired", Password: hash, PublicKeys: keys, Expires: time.Now()},
		{Name: "inside", Password: hash, PublicKeys: keys, AllowFrom: networks("10.0.0.0/8")},
		{Name: "ftp", Password: hash, PublicKeys: keys, Protocols: []string{"ftp", "ftps"}},
	}
}

// The results of logins.
const (
	in            = "in"
	denied        = "denied"
	needsKey      = "needs a key"
	needsPassword = "needs a password"
	undecided     = "undecided"
)

func resultOf(err error) string {
	switch {
	case err == nil:
		return in
	case errors.Is(err, ErrDenied) && errors.Is(err, fs.ErrPermission):
		return denied
	case errors.Is(err, proxy.ErrNeedsPublicKey):
		return needsKey
	case errors.Is(err, proxy.ErrNeedsPassword):
		return needsPassword
	}
	return undecided
}

// A key is accepted if it is the user's, and logs in where no password is needed beside it, which must be right.
func TestPublicKeys(t *testing.T) {
	d, _ := directory(t, keyed(t)...)
	const right, wrong = "wonderland", "x"
	for user, c := range map[string]struct {
		offer, key, keyRight, keyWrong, right string
	}{
		"password":        {denied, denied, denied, denied, in},
		"key":             {in, in, in, in, denied},
		"either":          {in, in, in, in, in},
		"both":            {in, needsPassword, in, denied, needsKey},
		"certificate too": {denied, denied, denied, denied, denied},
		"file":            {in, in, in, in, denied},
		"broken file":     {undecided, undecided, undecided, undecided, in},
		"from":            {in, in, in, in, denied},
		"from elsewhere":  {denied, denied, denied, denied, denied},
		"anonymous":       {denied, denied, denied, denied, in},
		"disabled":        {denied, denied, denied, denied, denied},
		"expired":         {denied, denied, denied, denied, denied},
		"inside":          {denied, denied, denied, denied, denied},
		"ftp":             {denied, denied, denied, denied, denied},
		"nobody":          {denied, denied, denied, denied, denied},
		"":                {denied, denied, denied, denied, denied},
	} {
		sftp := func(method proxy.LoginMethod, password, key string) proxy.Attempt {
			a := attempt(user, password)
			a.Method, a.Protocol = method, "sftp"
			if key != "" {
				a.PublicKey = []byte(key)
			}
			return a
		}
		login := func(a proxy.Attempt) error {
			u, err := d.Login(t.Context(), a)
			if err == nil && u.Name != user {
				t.Errorf("%s logs in as %s", user, u.Name)
			}
			return err
		}
		bothWays := c.keyRight // with the key verified first, too
		if user == "password" || user == "anonymous" || user == "broken file" {
			bothWays = in // the key does not matter
		} else if c.right == denied {
			bothWays = denied
		}
		for what, x := range map[string]struct {
			got  error
			want string
		}{
			"offers its key":              {d.AcceptsKey(t.Context(), sftp(proxy.ByPublicKey, "", "other")), c.offer},
			"offers another's key":        {d.AcceptsKey(t.Context(), sftp(proxy.ByPublicKey, "", "third")), map[bool]string{true: undecided, false: denied}[user == "broken file"]},
			"key":                         {login(sftp(proxy.ByPublicKey, "", "key")), c.key},
			"no key":                      {login(sftp(proxy.ByPublicKey, "", "")), map[bool]string{true: undecided, false: denied}[user == "broken file"]},
			"key after a right password":  {login(sftp(proxy.ByPublicKey, right, "key")), c.keyRight},
			"key after a wrong password":  {login(sftp(proxy.ByPublicKey, wrong, "key")), c.keyWrong},
			"password":                    {login(sftp(proxy.ByPassword, right, "")), c.right},
			"password after a key":        {login(sftp(proxy.ByPassword, right, "key")), bothWays},
			"password after another key":  {login(sftp(proxy.ByPassword, right, "third")), map[bool]string{true: in, false: denied}[c.right == in]},
			"wrong password after a key":  {login(sftp(proxy.ByPassword, wrong, "key")), map[bool]string{true: in, false: denied}[user == "anonymous"]},
			"password, with FTP":          {login(attempt(user, right)), map[bool]string{true: in, false: denied}[c.right == in || user == "ftp"]},
			"certificate, with a key too": {login(sftp(proxy.ByCertificate, "", "key")), denied},
		} {
			if got := resultOf(x.got); got != x.want {
				t.Errorf("%s, %s: %s, want %s: %v", user, what, got, x.want, x.got)
			}
		}
	}
}

// An offered key costs no hash. Where a user's keys are in a file, a file is read for each name, known or not, so that the time does
// not show which users there are.
func TestOfferedKeysCostTheSame(t *testing.T) {
	reads := 0
	d, c := directory(t, append(keyed(t), User{Name: "counted", Keys: func() ([]PublicKey, error) { reads++; return nil, nil }})...)
	for _, user := range []string{"counted", "key", "password", "disabled", "ftp", "nobody", ""} {
		a := attempt(user, "")
		a.Method, a.Protocol, a.PublicKey = proxy.ByPublicKey, "sftp", []byte("third")
		before := reads
		if err := d.AcceptsKey(t.Context(), a); resultOf(err) != denied {
			t.Errorf("%s: %v", user, err)
		}
		if works := c.take(); len(works) != 0 || reads != before+1 {
			t.Errorf("%s: work %v, %d reads", user, works, reads-before)
		}
	}
}

// Offered keys and refused ones are never counted as wrong passwords.
func TestBansIgnoreKeys(t *testing.T) {
	d, _ := directory(t, keyed(t)...)
	b := &Bans{After: 3}
	login := b.Guard(func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
		_, err := d.Login(ctx, a)
		return proxy.Account{}, err
	})
	a := attempt("both", "wonderland")
	a.Method, a.Protocol, a.PublicKey = proxy.ByPublicKey, "sftp", []byte("third")
	for range 5 {
		if _, err := login(t.Context(), a); resultOf(err) != denied {
			t.Errorf("another's key: %v", err)
		}
	}
	a.PublicKey, a.Password = []byte("key"), ""
	for range 5 {
		if _, err := login(t.Context(), a); resultOf(err) != needsPassword {
			t.Errorf("a key without a password: %v", err)
		}
	}
	a.Method, a.Password, a.PublicKey = proxy.ByPassword, "wonderland", nil
	for range 5 {
		if _, err := login(t.Context(), a); resultOf(err) != needsKey {
			t.Errorf("a password without a key: %v", err)
		}
	}
	a.Password, a.PublicKey = "x", []byte("key")
	for range 3 {
		if _, err := login(t.Context(), a); resultOf(err) != denied {
			t.Errorf("a wrong password: %v", err)
		}
	}
	if _, err := login(t.Context(), a); !errors.Is(err, proxy.ErrBanned) {
		t.Errorf("after three wrong passwords: %v", err)
	}
	a.Method, a.Password = proxy.ByPublicKey, "wonderland"
	if _, err := login(t.Context(), a); err != nil {
		t.Errorf("a key of a banned user: %v", err)
	}
}

// A certificate takes the place of a key of the user, and of nothing else.
func TestCertifiedKeys(t *testing.T) {
	d, _ := directory(t, keyed(t)...)
	for user, want := range map[string][2]string{ // without a password, and with the right one
		"password": {in, in}, "key": {in, in}, "either": {in, in}, "file": {in, in}, "broken file": {in, in}, "from elsewhere": {in, in},
		"both": {needsPassword, in}, "certificate too": {denied, denied}, "anonymous": {in, in},
		"disabled": {denied, denied}, "expired": {denied, denied}, "inside": {denied, denied}, "ftp": {denied, denied}, "nobody": {denied, denied},
	} {
		for i, password := range []string{"", "wonderland"} {
			a := attempt(user, password)
			a.Method, a.Protocol, a.PublicKey, a.Certified = proxy.ByPublicKey, "sftp", []byte("certificate"), true
			u, err := d.Login(t.Context(), a)
			if got := resultOf(err); got != want[i] || got == in && u.Name != user {
				t.Errorf("%s with the password %q: %s %v, want %s", user, password, got, err, want[i])
			}
			accepted := d.AcceptsKey(t.Context(), a) == nil
			if accepted != (want[0] == in || want[0] == needsPassword) {
				t.Errorf("%s: the certificate is accepted: %v", user, accepted)
			}
			if a.Certified = false; resultOf(d.AcceptsKey(t.Context(), a)) == in {
				t.Errorf("%s: a key that is not certified is accepted", user)
			}
		}
	}
	a := attempt("both", "wonderland")
	a.Method, a.Protocol, a.PublicKey, a.Certified = proxy.ByPassword, "sftp", []byte("certificate"), true
	if _, err := d.Login(t.Context(), a); err != nil {
		t.Errorf("the password after the certificate: %v", err)
	}
}
