package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// usersFileOf writes a users file. It replaces $NAME by a hash of the password pw-NAME.
func usersFileOf(t *testing.T, name, text string, users ...string) string {
	t.Helper()
	if name == "" {
		name = filepath.Join(t.TempDir(), "users.yaml")
	}
	for _, u := range users {
		hash, err := bcrypt.GenerateFromPassword([]byte("pw-"+u), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text = strings.ReplaceAll(text, "$"+u, "$2y"+string(hash[3:]))
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// hangUp sends SIGHUP to this process.
func hangUp(t *testing.T) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGHUP)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// startUsers starts a server with a users file for a service, and makes the bucket invoices.
func startUsers(t *testing.T, s keyService, file string, more ...string) (*running, string) {
	t.Helper()
	first, address := startKeys(t, s, nil)
	expect(t, keyLogin(t, address, s.key, s.secret, 230), "MKD /invoices", 257)
	first.end(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s.key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s.secret)
	r := start(t, nil, append([]string{"--users", file, "--ftp", "127.0.0.1:0", "--endpoint", s.endpoint, "--region", s.region,
		"--log-level", "debug"}, more...)...)
	return r, listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1]
}

// Each user has its own place, permissions and credentials.
func TestUsersOfFile(t *testing.T) {
	for name, s := range keyServices(t) {
		t.Run(name, func(t *testing.T) {
			secret := filepath.Join(t.TempDir(), "secret")
			os.WriteFile(secret, []byte(s.secret+"\n"), 0o600)
			file := usersFileOf(t, "", `
defaults: {bucket: invoices, prefix: "customers/{user}/"}
users:
  - {name: alice, password: $alice}
  - {name: bob, password: $bob, permissions: dropbox, max-sessions: 1}
  - name: carol
    password: $carol
    s3: {access-key: `+s.key+`, secret-key-file: `+secret+`}
    home: /out
    mounts:
      /in: {prefix: carol/in/}
      /out: {prefix: carol/out/}
      /reports: {prefix: customers/alice/, permissions: ro}
  - name: dave
    password: $dave
    s3: {access-key: unknown, secret-key: canary-wrong-key}
`, "alice", "bob", "carol", "dave")
			r, address := startUsers(t, s, file)
			r.stderr.await(t, `"msg":"the bucket answers"`)
			alice, bob := keyLogin(t, address, "alice", "pw-alice", 230), keyLogin(t, address, "bob", "pw-bob", 230)
			exchange(t, alice, "STOR f", "of alice")
			exchange(t, bob, "STOR f", "of bob")
			expect(t, bob, "EPSV", 229)
			expect(t, bob, "STOR f", 550)
			expect(t, bob, "EPSV", 229)
			expect(t, bob, "RETR f", 550)
			keyLogin(t, address, "bob", "pw-bob", 530)
			carol := keyLogin(t, address, "carol", "pw-carol", 230)
			if text := expect(t, carol, "PWD", 257); !strings.Contains(text, `"/out"`) {
				t.Errorf("the session begins in %s", text)
			}
			exchange(t, carol, "STOR /in/f", "of carol")
			expect(t, carol, "RNFR /in/f", 350)
			expect(t, carol, "RNTO g", 250)
			if got := exchange(t, carol, "RETR /out/g", ""); got != "of carol" {
				t.Errorf("after the rename to another mount: %q", got)
			}
			if got := exchange(t, carol, "RETR /reports/f", ""); got != "of alice" {
				t.Errorf("the read-only mount has %q", got)
			}
			expect(t, carol, "DELE /reports/f", 550)
			dave := keyLogin(t, address, "dave", "pw-dave", 230)
			expect(t, dave, "SIZE f", 550)
			if got := exchange(t, alice, "RETR f", ""); got != "of alice" {
				t.Errorf("alice has %q", got)
			}
			keyLogin(t, address, "erin", "x", 530)
			r.end(t)
			if text := r.stderr.String(); strings.Contains(text, "canary") || strings.Contains(text, "$2y") {
				t.Errorf("the log has a secret:\n%s", text)
			}
		})
	}
}

// After a change of the file, running sessions go on under the new rules, and those of removed users end.
func TestUsersFileChanges(t *testing.T) {
	s := embeddedKeys(t)
	const text = "defaults: {bucket: invoices}\nusers:\n  - {name: alice, password: $alice}\n"
	file := usersFileOf(t, "", text+"  - {name: bob, password: $bob}\n", "alice", "bob")
	r, address := startUsers(t, s, file)
	reload := func(text, message string) {
		t.Helper()
		usersFileOf(t, file, text, "alice", "bob")
		r.stderr.forget()
		hangUp(t)
		r.stderr.await(t, message)
	}
	alice, bob := keyLogin(t, address, "alice", "pw-alice", 230), keyLogin(t, address, "bob", "pw-bob", 230)
	exchange(t, alice, "STOR f", "content")
	reload("users: [", `"msg":"new users file is invalid, keeping the current users"`)
	expect(t, bob, "SIZE f", 213)
	reload(text, `"msg":"users"`)
	expect(t, bob, "", 421)
	keyLogin(t, address, "bob", "pw-bob", 530)
	expect(t, alice, "SIZE f", 213)
	reload(strings.Replace(text, "$alice", "$bob, allow-from: 192.0.2.1, protocols: ftps", 1), `"msg":"users"`) // at the next login only
	expect(t, alice, "SIZE f", 213)
	keyLogin(t, address, "alice", "pw-alice", 530)
	reload(strings.Replace(text, "name: alice,", "name: alice, permissions: ro,", 1), `"msg":"users"`)
	expect(t, alice, "SIZE f", 213)
	expect(t, alice, "DELE f", 550)
	reload(strings.Replace(text, "name: alice,", "name: alice, prefix: other/,", 1), `"msg":"users"`)
	expect(t, alice, "SIZE f", 550)
	exchange(t, alice, "STOR g", "content")
	reload(strings.Replace(text, "name: alice,", "name: alice, expires: 2020-01-01,", 1), `"level":"WARN","msg":"no client can log in`)
	expect(t, alice, "", 421)
}

// Names that the users file does not have are S3 keys with --auth s3. A change of the file does not end their sessions.
func TestS3KeysBesideUsersFile(t *testing.T) {
	s := embeddedKeys(t)
	const text = "users:\n  - {name: alice, password: $alice, bucket: invoices}\n"
	file := usersFileOf(t, "", text, "alice")
	r, address := startUsers(t, s, file, "--auth", "s3")
	key, alice := keyLogin(t, address, s.key, s.secret, 230), keyLogin(t, address, "alice", "pw-alice", 230)
	keyLogin(t, address, "alice", s.secret, 530)
	exchange(t, alice, "STOR f", "content")
	r.stderr.forget()
	usersFileOf(t, file, strings.Replace(text, "alice", "bob", 1), "alice")
	hangUp(t)
	r.stderr.await(t, `"msg":"users"`)
	expect(t, alice, "", 421)
	if got := exchange(t, key, "RETR /invoices/f", ""); got != "content" {
		t.Errorf("got %q", got)
	}
}

// A user's role is assumed with STS, which MinIO has at its endpoint.
func TestUserWithRole(t *testing.T) {
	s := keyServices(t)["MinIO"]
	file := usersFileOf(t, "", `
users:
  - name: alice
    password: $alice
    bucket: invoices
    s3: {role-arn: "arn:aws:iam::123456789012:role/files", external-id: canary-external}
  - name: bob
    password: $bob
    bucket: invoices
    s3: {access-key: unknown, secret-key: canary-wrong, role-arn: "arn:aws:iam::123456789012:role/files"}
`, "alice", "bob")
	r, address := startUsers(t, s, file)
	alice := keyLogin(t, address, "alice", "pw-alice", 230)
	exchange(t, alice, "STOR f", "content")
	if got := exchange(t, alice, "RETR f", ""); got != "content" {
		t.Errorf("got %q", got)
	}
	expect(t, keyLogin(t, address, "bob", "pw-bob", 230), "SIZE f", 550)
	r.stderr.await(t, `"reason":"STS `)
	r.end(t)
	if text := r.stderr.String(); strings.Contains(text, "canary") {
		t.Errorf("the log has a secret:\n%s", text)
	}
}

// users check tries each user's place with the user's credentials.
func TestUsersCheck(t *testing.T) {
	s := keyServices(t)["MinIO"]
	file := usersFileOf(t, "", `
defaults: {bucket: invoices, prefix: "{user}/"}
users:
  - {name: alice, password: $alice, home: /in/}
  - {name: bob, password: $bob, permissions: ro}
  - {name: carol, password: $carol, bucket: missing-bucket}
  - {name: charles, password: $carol, bucket: missing-bucket, permissions: ro}
  - {name: chris, password: $carol, bucket: missing-bucket, mounts: {/a: {prefix: a}, /b: {prefix: b}}, home: /a/b}
  - {name: dave, password: $dave, s3: {access-key: unknown, secret-key: canary-wrong}}
`, "alice", "bob", "carol", "dave")
	r, _ := startUsers(t, s, file)
	r.end(t)
	code, text, stderr := output(t, "", nil, "users", "check", file, "--endpoint", s.endpoint, "--region", s.region)
	for _, want := range []string{
		"ok    " + file + " has 6 users, with 7 places\n",
		"ok    user \"alice\": invoices/alice/: the keys can list, read and write\n",
		"ok    user \"bob\": invoices/bob/: the keys can list\n",
		"FAIL  user \"carol\" and 2 more: missing-bucket/carol/: the bucket does not answer: the bucket missing-bucket does not exist",
		"FAIL  user \"dave\": invoices/dave/: the bucket does not answer: ",
		"warn  user \"alice\": invoices/alice/: the home /in does not exist: sessions begin in an empty directory\n      advice: make ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q:\n%s", want, text)
		}
	}
	if code != exitFailure || !strings.Contains(stderr, "2 of 6 checks failed") || strings.Contains(text+stderr, "canary") {
		t.Errorf("code %d, %s", code, stderr)
	}
	code, text, _ = output(t, "", nil, "check", "--users", file, "--endpoint", s.endpoint, "--region", s.region, "--ftp=127.0.0.1:0",
		"--passive-ports=1024-65535", "--active=false")
	if code != exitFailure || !strings.Contains(text, "ok    user \"alice\": ") || !strings.Contains(text, "FAIL  user \"carol\" and 2 more: ") {
		t.Errorf("check: code %d\n%s", code, text)
	}
	if code, _, stderr := output(t, "", nil, "users", "check"); code != exitUsage || !strings.Contains(stderr, "must be followed by a file") {
		t.Errorf("without a file: code %d, %s", code, stderr)
	}
}
