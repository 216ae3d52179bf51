package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
)

// accepts reports whether a user of a users file can log in with a password.
func accepts(t *testing.T, file, name, password string) bool {
	t.Helper()
	users, err := config.LoadUsers(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	u := users.Lookup(name)
	if u == nil {
		return false
	}
	return checkHash(t, string(u.Password), password) == nil
}

// passwd --users changes and adds passwords, and keeps the rest of the file and its mode.
func TestPasswdInUsersFile(t *testing.T) {
	const before = "# all users\nusers:\n  - name: alice  # finance\n    password: hush\n    disabled: true\n  # bob is next\n  - {name: bob}\n  - {name: anonymous, password: any}\n"
	file := writeUsers(t, before)
	if err := os.Chmod(file, 0o604); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{
		{"bob", `changed the password of "bob" in ` + file + "; other users have no hash yet:\n" + file + `:4:15: user "alice": password: must be a hash`},
		{"alice", `changed the password of "alice" in ` + file + "; the user is disabled there\n"},
		{"anonymous", `changed the password of "anonymous" in ` + file + ", which was any: now only this password is right\n"},
		{"carol: x", `added the user "carol: x" to ` + file + ", with the permissions rw in (--bucket)/, which is all of the bucket: give the user a prefix to have less\n"},
	} {
		code, out, err := output(t, "wonder land\n", nil, "passwd", "--users", file, "--name="+c.name)
		if code != 0 || !strings.HasPrefix(out, c.want) || err != "" || strings.Contains(out, "hush") || c.name != "bob" && !accepts(t, file, c.name, "wonder land") {
			t.Errorf("%s: %d, %q, %q", c.name, code, out, err)
		}
	}
	if !accepts(t, file, "bob", "wonder land") {
		t.Error("bob cannot log in")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"# all users\nusers:\n  - name: alice  # finance\n    password: $argon2id$", "\n    disabled: true\n  # bob is next\n  - {name: bob, password: '$argon2id$"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o604 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// A file that would not load afterwards stays as it is.
func TestPasswdRefusesUsersFile(t *testing.T) {
	const before = "users:\n  - name: alice\n    password: hush\n    home: x\n"
	file := writeUsers(t, before)
	code, out, err := output(t, "x\n", nil, "passwd", "--users", file, "--name", "alice")
	if code != exitFailure || out != "" || !strings.Contains(err, `users.yaml:4:11: user "alice": home "x": must be`) || strings.Contains(err, "hush") {
		t.Errorf("%d, %q, %q", code, out, err)
	}
	if text, _ := os.ReadFile(file); string(text) != before {
		t.Errorf("it has become %s", text)
	}
}

// A users file that does not exist is made, for its owner alone. A symbolic link stays one.
func TestPasswdMakesUsersFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "new.yaml"), filepath.Join(dir, "link.yaml")
	if code, _, err := output(t, "x\n", nil, "passwd", "--users", file, "--name", "alice"); code != 0 || !accepts(t, file, "alice", "x") {
		t.Fatalf("%d, %q", code, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	if code, _, err := output(t, "y\n", nil, "passwd", "--users", link, "--name", "alice"); code != 0 || !accepts(t, file, "alice", "y") {
		t.Errorf("%d, %q", code, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A file that somebody else changes meanwhile is not overwritten.
func TestUsersFileChanged(t *testing.T) {
	file := writeUsers(t, "users: []\n")
	f, err := openUsersFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("users: [] # changed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hash, err := auth.Hash("x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.setPassword("alice", hash); err == nil || !strings.Contains(err.Error(), "has changed meanwhile: run the command again") {
		t.Errorf("got %v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "users: [] # changed\n" {
		t.Errorf("%s", text)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestPasswdOptions(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--users", "x"}, "must be used together: s3ftpd passwd --users FILE --name NAME"},
		{[]string{"--name=x"}, "must be used together"},
		{[]string{"--users", "x", "--name"}, "--name: must have a value"},
		{[]string{"--users=", "--name=x"}, "--users: must not be empty"},
		{[]string{"--users=x", "--users=y", "--name=x"}, "--users: must be set only once"},
		{[]string{"hush"}, "must be s3ftpd passwd, or s3ftpd passwd --users FILE --name NAME"},
		{[]string{"--password=hush"}, "must be s3ftpd passwd"},
	} {
		if code, out, err := output(t, "x\n", nil, append([]string{"passwd"}, c.args...)...); code != exitUsage || out != "" || !strings.Contains(err, c.want) || strings.Contains(err, "hush") {
			t.Errorf("%v: %d, %q, %q", c.args, code, out, err)
		}
	}
	if code, out, _ := output(t, "", nil, "passwd", "--users", "x", "--help"); code != 0 || out != passwdHelp {
		t.Errorf("%d, %q", code, out)
	}
	dir := t.TempDir()
	for args, want := range map[[2]string]string{{dir, "alice"}: "must be a regular file", {filepath.Join(dir, "no", "x"), "alice"}: "no such file", {filepath.Join(dir, "x"), "a\nb"}: "must be a name of 1 to 127 bytes"} {
		if code, _, err := output(t, "x\n", nil, "passwd", "--users", args[0], "--name", args[1]); code != exitFailure || !strings.Contains(err, want) {
			t.Errorf("%v: %d, %q", args, code, err)
		}
	}
}
