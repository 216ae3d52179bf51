package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

const argonExample = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

// parsed returns the users of a valid file. HASH in it is a hash.
func parsed(t testing.TB, c *Config, file string) *Users {
	t.Helper()
	users, err := ParseUsers("users.yaml", []byte(strings.ReplaceAll(file, "HASH", sha512Hash)), c)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

var (
	rw = []string{"list", "read", "write", "overwrite", "delete", "rename", "mkdir"}
	ro = []string{"list", "read"}
)

func TestUserWithEachKey(t *testing.T) {
	on, off := true, false
	secret := writeFile(t, "secret", "hushhush\n")
	users := parsed(t, &Config{Bucket: "of-option", Prefix: "of-option/", TLSClientCA: "ca.pem"}, `
# --users FILE
defaults:
  bucket: invoices
users:
  - name: alice   # the first one
    password: `+argonExample+`
    certificate: CN=alice,O=Example
    second-factor: [certificate, password]
    mounts:
      /in:  {prefix: alice/in/, permissions: dropbox}
      /out/: {bucket: reports, permissions: [read, list]}
    home: /in/2027/
    s3:
      access-key: alices-key
      secret-key-file: `+secret+`
      endpoint: https://s3.example.com
      region: eu-central-1
      role-arn: arn:aws:iam::123456789012:role/uploads
      external-id: a1
    permissions: [mkdir, list]
    protocols: [ftps, ftp]
    allow-from: [192.0.2.0/24, "2001:db8::/32", 198.51.100.7]
    max-sessions: 5
    max-transfers: 4
    max-rate: {up: 20MiB, down: 1MB}
    max-file-size: 10GiB
    daily-upload: 100GiB
    quota: {size: 1TiB, files: 1000000}
    expires: 2027-01-31
    disabled: false
    attributes: {storage-class: STANDARD_IA, sse: aws:kms, sse-kms-key: alias/x, acl: private, tags: {team: finance, year: 2027}}
    provenance: true
    compat: {names: shift-jis, backslash: true, lenient-dirs: false, allo: hint}
`)
	want := &User{Name: "alice", Line: 6, Password: argonExample, Certificate: "CN=alice,O=Example", SecondFactor: []string{"password", "certificate"},
		Mounts: []Mount{{"/in", "invoices", "alice/in/", []string{"write", "mkdir"}}, {"/out", "reports", "", ro}}, Home: "/in/2027",
		S3: &UserS3{AccessKey: "alices-key", SecretKeyFile: secret, Endpoint: "https://s3.example.com", Region: "eu-central-1",
			RoleARN: "arn:aws:iam::123456789012:role/uploads", ExternalID: "a1"},
		Permissions: []string{"list", "mkdir"}, Protocols: []string{"ftp", "ftps"},
		AllowFrom:   []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("198.51.100.7/32")},
		MaxSessions: 5, MaxTransfers: 4, MaxRate: UserRate{20 << 20, 1e6}, MaxFileSize: 10 << 30, DailyUpload: 100 << 30, Quota: UserQuota{1 << 40, 1e6},
		Expires:    time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC),
		Attributes: &UserAttributes{"STANDARD_IA", "aws:kms", "alias/x", "private", map[string]string{"team": "finance", "year": "2027"}},
		Provenance: &on,
		Compat:     &UserCompat{"shift-jis", &on, &off, "hint"},
	}
	if got := users.Lookup("alice"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(users.All()) != 1 || users.Lookup("Alice") != nil {
		t.Errorf("%d users", len(users.All()))
	}
}

// The keys of a user override the defaults, which override the options.
func TestUserPlaces(t *testing.T) {
	options := &Config{Bucket: "of-option", Prefix: "of-option/{user}/"}
	both := "defaults: {bucket: of-default, prefix: 'customers/{user}'}\nusers:\n"
	mounts := "defaults: {bucket: of-default, mounts: {/in: {prefix: 'in/{user}/'}, /all: {bucket: shared, permissions: rw}}, permissions: ro}\nusers:\n"
	for name, c := range map[string]struct {
		file string
		want []Mount
	}{
		"options":           {"users:\n- {name: alice, password: HASH}", []Mount{{"/", "of-option", "of-option/alice/", rw}}},
		"defaults":          {both + "- {name: alice, password: HASH}", []Mount{{"/", "of-default", "customers/alice/", rw}}},
		"own":               {both + "- {name: alice, password: HASH, bucket: own, prefix: own}", []Mount{{"/", "own", "own/", rw}}},
		"own prefix":        {both + "- {name: alice, password: HASH, prefix: own}", []Mount{{"/", "of-default", "own/", rw}}},
		"own, empty prefix": {both + "- {name: alice, password: HASH, prefix: ''}", []Mount{{"/", "of-default", "", rw}}},
		"own mounts": {both + "- {name: alice, password: HASH, mounts: {/a: {prefix: 'a-{user}'}, /b: {bucket: own}}}",
			[]Mount{{"/a", "of-default", "a-alice/", rw}, {"/b", "own", "", rw}}},
		"own bucket for own mounts": {both + "- {name: alice, password: HASH, bucket: own, mounts: {/a: {prefix: a}}}", []Mount{{"/a", "own", "a/", rw}}},
		"mounts of the defaults":    {mounts + "- {name: alice, password: HASH}", []Mount{{"/in", "of-default", "in/alice/", ro}, {"/all", "shared", "", rw}}},
		"own place instead of the mounts": {mounts + "- {name: alice, password: HASH, prefix: own}",
			[]Mount{{"/", "of-default", "own/", ro}}},
		"a name with a slash where it does no harm": {"users:\n- {name: a/b, password: HASH, prefix: own}", []Mount{{"/", "of-option", "own/", rw}}},
		"names of digits": {"users:\n- {name: 007, password: HASH}", []Mount{{"/", "of-option", "of-option/007/", rw}}},
	} {
		users := parsed(t, options, c.file)
		if got := users.All()[0].Mounts; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// The defaults apply wherever they are in the file, and a user's keys replace them as a whole.
func TestUserDefaults(t *testing.T) {
	file := `users:
  - name: alice
    password: HASH
  - name: bob
    max-sessions: 7
    s3: {access-key: bobs-key, secret-key: hushhush}
    password: HASH
    attributes: {acl: private}
defaults:
  password-file: /run/secrets/all
  max-sessions: 3
  s3: {access-key: common-key, secret-key: hushhush, region: eu-central-1}
  attributes: {storage-class: STANDARD_IA}
  disabled: true
`
	users := parsed(t, nil, file)
	alice, bob := users.Lookup("alice"), users.Lookup("bob")
	if alice.MaxSessions != 3 || alice.S3.AccessKey != "common-key" || !alice.Disabled || alice.PasswordFile != "" || alice.Attributes.StorageClass != "STANDARD_IA" {
		t.Errorf("alice: %+v", alice)
	}
	if bob.MaxSessions != 7 || *bob.S3 != (UserS3{AccessKey: "bobs-key", SecretKey: "hushhush"}) || bob.Attributes.StorageClass != "" || bob.Attributes.ACL != "private" {
		t.Errorf("bob: %+v", bob)
	}
	if alice.Line != 2 || bob.Line != 4 {
		t.Errorf("lines %d and %d", alice.Line, bob.Line)
	}
}

// The user anonymous can only read, unless its own keys say more.
func TestAnonymous(t *testing.T) {
	defaults := "defaults: {permissions: rw, mounts: {/in: {prefix: a, permissions: dropbox}, /out: {prefix: b, permissions: [list, read, delete]}, /all: {prefix: c}}}\nusers:\n"
	for name, c := range map[string]struct {
		file string
		want [][]string // of each mount
	}{
		"alone":           {"users:\n- {name: anonymous, password: any}", [][]string{ro}},
		"own permissions": {"users:\n- {name: anonymous, password: any, permissions: dropbox}", [][]string{{"write", "mkdir"}}},
		"with defaults":   {defaults + "- {name: anonymous, password: any}", [][]string{{}, ro, ro}},
		"own permissions, mounts of the defaults": {defaults + "- {name: anonymous, password: any, permissions: wo}",
			[][]string{{"write", "mkdir"}, {"list", "read", "delete"}, {"write", "overwrite", "mkdir"}}},
		"own mounts": {defaults + "- {name: anonymous, password: any, mounts: {/in: {prefix: a, permissions: dropbox}, /out: {prefix: b}}}", [][]string{{"write", "mkdir"}, ro}},
		"a password": {"users:\n- {name: anonymous, password: HASH}", [][]string{ro}},
	} {
		user := parsed(t, nil, c.file).Lookup("anonymous")
		var got [][]string
		for _, m := range user.Mounts {
			got = append(got, m.Permissions)
		}
		if !reflect.DeepEqual(got, c.want) || user.AnyPassword != (name != "a password") {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestUsersNotations(t *testing.T) {
	for name, file := range map[string]string{
		"indented":           "users:\n  - name: alice\n    password: HASH\n  - name: bob\n    password: HASH\n",
		"not indented":       "users:\n- name: alice\n  password: HASH\n- name: bob\n  password: HASH\ndefaults:\n  bucket: x-y\n",
		"hyphens alone":      "users:   # all\n\n  -\n    name: alice\n    password: HASH\n# c\n  -\n\n    name: bob\n    password: HASH",
		"braces":             "users: [{name: alice, password: HASH}, {name: bob, password: HASH}]\n",
		"JSON":               `{"users": [{"name": "alice", "password": "HASH"}, {"name": "bob", "password": "HASH"}]}`,
		"CRLF":               "defaults:\r\n  bucket: x-y\r\nusers:\r\n  - name: alice\r\n    password: HASH\r\n  - name: bob\r\n    password: HASH\r\n",
		"document marks":     "%YAML 1.2\n---\nusers:\n  - name: alice\n    password: HASH\n  - name: bob\n    password: HASH\n...\n",
		"quoted key":         "\"users\":\n  - name: alice\n    password: HASH\n  - name: bob\n    password: HASH\n",
		"a byte order mark":  "\uFEFFusers:\n  - name: alice\n    password: HASH\n  - name: bob\n    password: HASH\n",
		"names on two lines": "users:\n  - name: >-\n      alice\n    password: HASH\n  - password: HASH\n    name: |\n      bob\n",
		"comments":           "# users:\nusers:\n # x\n  - name: alice\n#y\n    password: HASH # z\n   # x\n  - name: bob\n    password: HASH\n# end\n",
	} {
		users := parsed(t, nil, file)
		if len(users.All()) != 2 || users.All()[0].Name != "alice" || users.All()[1].Name != "bob" {
			t.Errorf("%s: got %+v", name, users.All())
		}
	}
	if users := parsed(t, nil, "users: []\n"); len(users.All()) != 0 {
		t.Errorf("got %v", users.All())
	}
}

func TestExpires(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2027-01-31":                time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC),
		"2028-02-28":                time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC),
		"2027-01-31T18:00:00+02:00": time.Date(2027, 1, 31, 16, 0, 0, 0, time.UTC),
	} {
		if got, err := parseExpires(text); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

// LoadUsers reads a file, and reports one that it cannot read.
func TestLoadUsers(t *testing.T) {
	file := writeFile(t, "users.yaml", "users:\n  - name: alice\n    password: "+sha512Hash+"\n")
	users, err := LoadUsers(file, &Config{Bucket: "invoices"})
	if err != nil || users.Lookup("alice").Mounts[0].Bucket != "invoices" {
		t.Errorf("got %+v, %v", users, err)
	}
	if _, err := LoadUsers("/nowhere.yaml", nil); err == nil || err.Error() != "/nowhere.yaml: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

// At most 50 mistakes are reported; the others are counted.
func TestManyUsersMistakes(t *testing.T) {
	var file strings.Builder
	file.WriteString("users:\n")
	for range 1000 {
		file.WriteString("  - {name: alice, home: x, pasword: hush}\n")
	}
	_, err := ParseUsers("users.yaml", []byte(file.String()), nil)
	lines := strings.Split(err.Error(), "\n")
	if last := lines[len(lines)-1]; len(lines) != 51 || last != "users.yaml: and 2950 more mistakes" {
		t.Errorf("%d lines: %s", len(lines), last)
	}
}

func TestCheckHash(t *testing.T) {
	for text, good := range map[string]bool{
		argonExample: true, sha512Hash: true,
		"$2y$10$" + strings.Repeat("x", 53): true, "$2a$04$" + strings.Repeat("x", 53): true, "$2b$31$" + strings.Repeat("x", 53): true,
		"$2x$10$" + strings.Repeat("x", 53): false, "$2y$03$" + strings.Repeat("x", 53): false, "$2y$10$" + strings.Repeat("x", 52): false,
		"$5$salt$" + strings.Repeat("x", 43): true, "$5$rounds=5000$salt$" + strings.Repeat("x", 43): true, "$5$rounds=999$salt$" + strings.Repeat("x", 43): false,
		"$5$rounds=1000000$salt$" + strings.Repeat("x", 43): false, "$5$rounds=05000$salt$" + strings.Repeat("x", 43): false, "$5$salt$" + strings.Repeat("x", 86): false,
		"$6$salt$" + strings.Repeat("x", 43): false, "$6$" + strings.Repeat("x", 86): false, "$1$salt$xxxx": false, "$apr1$salt$xxxx": false, "$y$j9T$x$x": false,
		strings.Replace(argonExample, "v=19", "v=16", 1): false, strings.Replace(argonExample, "t=2", "t=0", 1): false,
		strings.Replace(argonExample, "t=2", "t=65", 1): false, strings.Replace(argonExample, "p=1", "p=256", 1): false,
		strings.Replace(argonExample, "c29tZXNhbHQ", "c29t", 1): false, argonExample + "=": false, "": false, "$": false, "plain": false,
	} {
		if err := CheckHash(text); (err == nil) != good {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
