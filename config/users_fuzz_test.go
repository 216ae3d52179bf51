package config

import (
	"os"
	"strings"
	"testing"
)

// FuzzUsers reads arbitrary files. No file causes a panic, messages have one line each, and none contains a password.
func FuzzUsers(f *testing.F) {
	if text, err := os.ReadFile(usersMistakes); err == nil {
		for part := range strings.SplitSeq(string(text), "\n=== ") {
			_, file, _ := strings.Cut(part, "\n")
			file, _, _ = strings.Cut(file, "=> ")
			f.Add(strings.ReplaceAll(file, "HASH", sha512Hash))
		}
	}
	for _, text := range []string{"users: [{name: a}]", "users:\n- - - -", "users:\n- {a: {b: [", "users:\n- ? a\n", "users:\n- name: |2\n   x", "'", "any", "$6$", "{", "&a", "!!binary x", ">"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range []string{text, "users:\n  - name: alice\n    password: hush" + text, "users:\n  - name: alice\n    password: \"hush" + text,
			"users:\n  - {name: alice, password: 'hush" + text, "defaults:\n  s3: {access-key: hush, secret-key: hush" + text} {
			checkUsersText(t, file, file != text && !strings.ContainsAny(text, "\r\n"))
		}
	})
}

// checkUsersText reads a file, and checks what the result promises.
func checkUsersText(t *testing.T, file string, secret bool) {
	t.Helper()
	users, err := ParseUsers("users.yaml", []byte(file), nil)
	if err == nil {
		for _, u := range users.All() {
			checkUser(t, file, u)
		}
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !strings.HasPrefix(line, "users.yaml:") || !isPrintable(line) {
			t.Errorf("%q: the message %q", file, line)
		}
	}
	if secret && strings.Contains(err.Error(), "hush") {
		t.Errorf("%q: the message %q contains the secret", file, err)
	}
}

// checkUser checks that a user stays in its places.
func checkUser(t *testing.T, file string, u *User) {
	t.Helper()
	if _, err := parseUserName(u.Name); err != nil || len(u.Mounts) == 0 || len(u.Permissions) == 0 {
		t.Errorf("%q: %+v", file, u)
	}
	for _, m := range u.Mounts {
		if _, err := parsePrefix(m.Prefix); err != nil || strings.Contains(m.Prefix, userVariable) && !strings.Contains(u.Name, userVariable) {
			t.Errorf("%q: prefix %q", file, m.Prefix)
		}
	}
	if u.Password != "" && CheckHash(string(u.Password)) != nil || u.AnyPassword && u.Name != anonymous {
		t.Errorf("%q: the password is no hash", file)
	}
}
