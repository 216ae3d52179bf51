package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
)

// listed is a users file, and listing is its table.
const listed = `
defaults:
  bucket: invoices
users:
  - name: alice
    password: $6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/
    certificate: CN=alice
    second-factor: [password, certificate]
    s3: {access-key: hush-access, secret-key: hush-secret}
    max-sessions: 5
    max-transfers: 2
    max-rate: {up: 20MiB, down: 5MiB}
    max-file-size: 1GiB
    daily-upload: 10GiB
    quota: {size: 1TiB, files: 1000}
    expires: 2027-01-31
  - name: bob
    password-file: /run/secrets/hush
    mounts:
      /in:  {prefix: "bob/in/", permissions: dropbox}
      /out: {bucket: reports, permissions: [list]}
    allow-from: [192.0.2.0/24]
    protocols: ftps
    home: /in
    expires: 2028-02-01T18:30:00+02:00
  - name: anonymous
    password: any
    prefix: public/
    expires: 2026-01-31
  - name: carol
    disabled: true
    allow-from: [192.0.2.0/24, 198.51.100.7, "2001:db8::/32"]
  - name: dave
    public-keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0sNZnWyvkPP2nGiG6sSvATKDabXliNuv/HlSoNgTN+ dave@laptop
      - from="192.0.2.7" ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEWBLz92glMQJdQWneN5ZhVRhB2saFdwJSVBqZLfZE4i+rEucUbYKOjrsH4obhSJuosSjJG96qX6QVFj5gBehug=
    protocols: [sftp]
  - name: erin
    public-keys-file: /run/secrets/hush
    password-file: /run/secrets/hush
    second-factor: [password, public-key]
`

const listing = `NAME       PLACE                   PERMISSIONS  HOME  LOGIN                     LIMITS                         STATE
alice      invoices/               rw           /     password and certificate  5 sessions, 2 transfers, 20MiB/s up, 5MiB/s down, files up to 1GiB, 10GiB a day, quota of 1TiB, quota of 1000 files        active until 2027-01-31 UTC
bob        /in = invoices/bob/in/  dropbox      /in   password file             ftps only, from 192.0.2.0/24   active until 2028-02-01 16:30 UTC
           /out = reports/         list
anonymous  invoices/public/        ro           /     any password              -                              expired after 2026-01-31 UTC
carol      invoices/               rw           /     -                         from 3 networks                disabled
dave       invoices/               rw           /     key SHA256:9tPR2PcZ2m1zLV6s1TQuCtD8syi+RxrF5uoUJJgMWow  sftp only  active
                                                      or key SHA256:/OzF1EoRVYDhm9N1BS4AmcrpUVGBjHSINHK3XLdA2uI
erin       invoices/               rw           /     password file and keys file  -  active
`

func writeUsers(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestUsersList(t *testing.T) {
	var b strings.Builder
	if err := listUsers(&b, writeUsers(t, listed), time.Date(2027, 1, 31, 23, 59, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(b.String()), strings.Fields(listing); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got\n%s\nwant\n%s", b.String(), listing)
	}
	if strings.Contains(b.String(), "hush") || strings.Contains(b.String(), "$6$") || strings.Contains(b.String(), " \n") {
		t.Errorf("a secret, or spaces at the end of a line:\n%s", b.String())
	}
	b.Reset()
	if err := listUsers(&b, writeUsers(t, listed), time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)); err != nil || !strings.Contains(b.String(), "expired after 2027-01-31") {
		t.Errorf("%v, %s", err, b.String())
	}
}

func TestUsersRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"users"}, exitUsage, "s3ftpd users list FILE"},
		{[]string{"users", "lsit", "x"}, exitUsage, `users "lsit": no such command: must be s3ftpd users list FILE`},
		{[]string{"users", "list"}, exitUsage, "s3ftpd users list FILE"},
		{[]string{"users", "list", "a", "b"}, exitUsage, "s3ftpd users list FILE"},
		{[]string{"users", "list", "/nowhere"}, exitFailure, "s3ftpd: /nowhere: no such file or directory"},
		{[]string{"users", "list", writeUsers(t, "users:\n- name: alice\n  password: hush\n")}, exitFailure, `users.yaml:3:13: user "alice": password: must be a hash`},
	} {
		if code, out, err := output(t, "", nil, c.args...); code != c.code || out != "" || !strings.Contains(err, c.want) || strings.Contains(err, "hush") {
			t.Errorf("%v: %d, %q, %q", c.args, code, out, err)
		}
	}
	for _, args := range [][]string{{"users", "--help"}, {"users", "list", "-h"}, {"help", "users"}, {"users", "import", "--help"}} {
		if code, out, _ := output(t, "", nil, args...); code != 0 || out != usersHelp {
			t.Errorf("%v: %d, %q", args, code, out)
		}
	}
}

// The users file in docs/users.md loads, and the page has a row for each key.
func TestDocumentedUsers(t *testing.T) {
	file := block(t, "docs/users.md", "users file")
	users, err := config.ParseUsers("users.yaml", []byte(file), &config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if m := users.Lookup("alice").Mounts[0]; len(users.All()) != 3 || m.Prefix != "customers/alice/" || !users.Lookup("anonymous").AnyPassword {
		t.Errorf("%+v", users.All())
	}
	_, err = config.ParseUsers("users.yaml", []byte("users: [{name: alice, disabled: true, unlike-any: x}]"), nil)
	_, list, found := strings.Cut(err.Error(), "unlike-any: no such key; must be ")
	keys := strings.Split(strings.Replace(list, " or ", ", ", 1), ", ")
	var documented []string
	for _, row := range rows(t, "users.md", "user keys") {
		documented = append(documented, strings.Trim(row[0], "`"))
	}
	if !found || !slices.Equal(keys, documented) {
		t.Errorf("the keys are %q, the documented ones %q", keys, documented)
	}
}

var usersBlock = regexp.MustCompile("(?s)<!-- users: ([a-z ]+) -->\n```yaml\n(.*?)```")

// Each users file in docs/, once its users have passwords, loads.
func TestDocumentedRecipes(t *testing.T) {
	found := 0
	for _, page := range pages(t) {
		for _, m := range usersBlock.FindAllStringSubmatch(readPage(t, page), -1) {
			found++
			text := []byte(m[2])
			for _, name := range regexp.MustCompile(`(?m)^  - name: (\S+)`).FindAllStringSubmatch(m[2], -1) {
				if name[1] == "anonymous" {
					continue
				}
				edit, err := config.SetUserPassword("users.yaml", text, name[1], "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
				if err != nil {
					t.Fatalf("%s: %s: %v", page, m[1], err)
				}
				text = edit.Text
			}
			if _, err := config.ParseUsers("users.yaml", text, nil); err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
			}
		}
	}
	if found < 7 {
		t.Errorf("only %d users files", found)
	}
}

// proxy/auth can check each hash that a users file may have.
func TestHashesOfUsersFile(t *testing.T) {
	accepted := 0
	for _, kind := range []string{"$2a$", "$2b$", "$2y$", "$2x$", "$2$", "$5$", "$6$", "$1$", "$argon2id$v=19$", "$argon2id$v=16$", "$argon2i$v=19$", ""} {
		for _, parameters := range []string{"", "03$", "04$", "31$", "32$", "rounds=999$", "rounds=1000$", "rounds=999999$", "rounds=1000000$", "rounds=01000$", "rounds=x$",
			"m=19456,t=2,p=1$", "m=0,t=1,p=1$", "m=1048576,t=64,p=255$", "m=1048577,t=1,p=1$", "m=8,t=65,p=1$", "m=8,t=0,p=1$", "m=8,t=1,p=0$", "m=8,t=1,p=256$", "m=08,t=1,p=1$"} {
			for _, salt := range []string{"", "c29tZXNhbHQ$", "c29t$", "sixteen.bytes.ok$", "longer.than.sixteen$", "a b$", "\x01$"} {
				for _, n := range []int{0, 11, 22, 43, 53, 60, 86} {
					hash := kind + parameters + salt + strings.Repeat("A", n)
					if config.CheckHash(hash) != nil {
						continue
					}
					if accepted++; auth.Validate(hash) != nil {
						t.Errorf("%q: %v", hash, auth.Validate(hash))
					}
				}
			}
		}
	}
	if accepted < 20 {
		t.Errorf("only %d hashes are valid", accepted)
	}
}
