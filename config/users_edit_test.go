package config

import (
	"strings"
	"testing"
)

// newHash is the hash that the tests set.
const newHash = "$argon2id$v=19$m=19456,t=2,p=1$bmV3c2FsdDEyMzQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

// Each file is changed only where the password of alice is. HASH is the old hash, NEW the new one.
func TestSetUserPassword(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"replaces":           {"# a\nusers:\n  # b\n  - name: alice # c\n    password: HASH   # d\n    home: /x\n\n  # e\n  - name: bob\n    password: HASH\n", "# a\nusers:\n  # b\n  - name: alice # c\n    password: NEW   # d\n    home: /x\n\n  # e\n  - name: bob\n    password: HASH\n"},
		"plain text":         {"users:\n- name: alice\n  password: hush, hush\n", "users:\n- name: alice\n  password: NEW\n"},
		"no value":           {"users:\n- name: alice\n  password:\n  home: /x\n", "users:\n- name: alice\n  password: NEW\n  home: /x\n"},
		"no value, comment":  {"users:\n- name: alice\n  password: # later\n", "users:\n- name: alice\n  password: NEW # later\n"},
		"a tilde":            {"users:\n- name: alice\n  password: ~ # later\n", "users:\n- name: alice\n  password: NEW # later\n"},
		"a number":           {"users:\n- name: alice\n  password: 1234", "users:\n- name: alice\n  password: NEW"},
		"single quotes":      {"users:\n- name: alice\n  password: 'it''s # hush'  # x\n", "users:\n- name: alice\n  password: 'NEW'  # x\n"},
		"double quotes":      {"users:\n- name: alice\n  password: \"a \\\" # b\"# x\n", "users:\n- name: alice\n  password: \"NEW\"# x\n"},
		"key in quotes":      {"users:\n- 'name': alice\n  'password': 'HASH'\n", "users:\n- 'name': alice\n  'password': 'NEW'\n"},
		"inserts":            {"users:\n  - name: alice   # x\n    # y\n    disabled: false\n", "users:\n  - name: alice   # x\n    password: NEW\n    # y\n    disabled: false\n"},
		"inserts at the end": {"users:\n  - home: /x\n    name: alice", "users:\n  - home: /x\n    name: alice\n    password: NEW\n"},
		"drops notes":        {"users:\n- name: bob\n  disabled: true\n  # imported disabled: has no password\n- name: alice\n  # imported disabled: has no password\n  disabled: true\n  # imported disabled: may not use FTP\n  # imported disabled: the password has x", "users:\n- name: bob\n  disabled: true\n  # imported disabled: has no password\n- name: alice\n  password: NEW\n  disabled: true\n  # imported disabled: may not use FTP\n"},
		"hyphen alone":       {"users:\n-\n    name: alice\n    home: /x\n", "users:\n-\n    name: alice\n    password: NEW\n    home: /x\n"},
		"braces":             {"users:\n  - {name: bob, password: HASH}\n  - {name: alice, password: HASH, home: /x} # c\n", "users:\n  - {name: bob, password: HASH}\n  - {name: alice, password: 'NEW', home: /x} # c\n"},
		"braces, inserts":    {"users:\n  - {name: alice, home: /x} # c\n", "users:\n  - {name: alice, password: 'NEW', home: /x} # c\n"},
		"braces, no value":   {"users:\n  - {name: alice, password: , home: /x}\n", "users:\n  - {name: alice, password: 'NEW' , home: /x}\n"},
		"adds":               {"users:\n  - name: bob\n    password: HASH\n    # of bob\n\n# end\ndefaults: {home: /x}\n", "users:\n  - name: bob\n    password: HASH\n    # of bob\n  - name: alice\n    password: NEW\n\n# end\ndefaults: {home: /x}\n"},
		"adds at the end":    {"users:\n- name: bob\n  password: HASH", "users:\n- name: bob\n  password: HASH\n- name: alice\n  password: NEW\n"},
		"adds the first":     {"# a\nusers: [] # b\ndefaults: {}\n", "# a\nusers: # b\n  - name: alice\n    password: NEW\ndefaults: {}\n"},
		"adds to nothing":    {"", "users:\n  - name: alice\n    password: NEW\n"},
		"adds to no list":    {"# a\nusers:", "# a\nusers:\n  - name: alice\n    password: NEW\n"},
		"adds to defaults":   {"defaults:\n  home: /x", "defaults:\n  home: /x\nusers:\n  - name: alice\n    password: NEW\n"},
		"CRLF":               {"\uFEFFusers:\r\n  - name: bob\r\n    password: HASH\r\n", "\uFEFFusers:\r\n  - name: bob\r\n    password: HASH\r\n  - name: alice\r\n    password: NEW\r\n"},
		"CRLF, replaces":     {"users:\r\n  - name: alice\r\n    password:\r\n", "users:\r\n  - name: alice\r\n    password: NEW\r\n"},
		"CRLF, inserts":      {"users:\r\n  - name: alice\r\n    home: /x\r\n", "users:\r\n  - name: alice\r\n    password: NEW\r\n    home: /x\r\n"},
		"after characters":   {"users:\n  - {home: /ä, name: alice, password: 'ö'} # ü\n", "users:\n  - {home: /ä, name: alice, password: 'NEW'} # ü\n"},
	} {
		hashes := strings.NewReplacer("HASH", sha512Hash, "NEW", newHash)
		edit, err := SetUserPassword("users.yaml", []byte(hashes.Replace(c.before)), "alice", newHash)
		if want := hashes.Replace(c.after); err != nil || string(edit.Text) != want || edit.Added != strings.HasPrefix(name, "adds") && name != "CRLF" {
			if name != "CRLF" || !edit.Added || string(edit.Text) != want {
				t.Errorf("%s: added %v, %v, got\n%s\nwant\n%s", name, edit.Added, err, edit.Text, want)
			}
		}
	}
}

// Names that look like something else in YAML are written in quotes.
func TestSetUserPasswordNames(t *testing.T) {
	text := []byte("users: []\n")
	names := []string{"yes", "0123", "null", "a: b", "a # b", "*x", "ä", "it's", `a"b`, "a/b", "{user}", "- x", "1e3", "~", "true", "a b", "=", "2027-01-31"}
	for range 2 { // the second time, none is added
		for _, name := range names {
			edit, err := SetUserPassword("users.yaml", text, name, newHash)
			if err != nil {
				t.Fatalf("%q: %v", name, err)
			}
			text = edit.Text
		}
		users, err := ParseUsers("users.yaml", text, nil)
		if err != nil || len(users.All()) != len(names) {
			t.Fatalf("%d users, %v", len(users.All()), err)
		}
		for i, u := range users.All() {
			if u.Name != names[i] || u.Password != newHash {
				t.Errorf("%q: got %+v", names[i], u)
			}
		}
	}
}

// Messages about notations that are not changed.
const (
	notPlain   = `users.yaml: line 3: user "alice": password must be a plain value on one line, so that it can be changed here`
	notInLines = `users.yaml: user "alice": is not in the list: only a list with "- name: NAME" in lines of their own can be changed here`
)

func TestSetUserPasswordRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, user, want string }{
		"a password file":  {"users:\n  - name: alice\n    password-file: /x\n", "alice", `users.yaml: user "alice" has a password-file in line 3: change that file, e.g. s3ftpd passwd > FILE, or remove the line`},
		"a block scalar":   {"users:\n  - name: alice\n    password: |\n      hush\n", "alice", notPlain},
		"two lines":        {"users:\n  - name: alice\n    password: hush\n      hush\n", "alice", notPlain},
		"two lines quoted": {"users:\n  - name: alice\n    password: 'hush\n      hush'\n", "alice", notPlain},
		"an anchor":        {"users:\n  - name: alice\n    password: &x hush\n", "alice", notPlain},
		"a list":           {"users:\n  - name: alice\n    password: [hush]\n", "alice", notPlain},
		"brackets":         {"users: [{name: bob, password: '$6$x'}]\n", "alice", notInLines},
		"another mistake":  {"users:\n  - name: alice\n    home: x\n", "alice", `users.yaml:4:11: user "alice": home "x": must be an absolute path such as /in, without "//", "." or ".." in it`},
		"invalid YAML":     {"users:\n  - name: alice\n  - name: 'bob\n", "alice", `users.yaml:4:11: user "bob": not valid YAML: could not find end character of single-quoted text`},
		"invalid defaults": {"defaults: {\n", "alice", `users.yaml:1:11: not valid YAML: could not find flow mapping end token '}'`},
		"a list of names":  {"users:\n  alice: x\n", "alice", notInLines},
		"an invalid name":  {"users: []\n", "a\nb", `the name "a\nb" must be a name of 1 to 127 bytes without control characters, and without spaces at its ends`},
		"a bad name here":  {"defaults: {prefix: 'a/{user}'}\nusers: []\n", "..", `users.yaml:3:11: user "..": name "..": must not contain a slash or be "." or "..", because it replaces {user} in the prefix "a/{user}/"`},
		"UTF-16":           {"\xFF\xFEu", "alice", "users.yaml: is UTF-16: must be saved as UTF-8"},
	} {
		edit, err := SetUserPassword("users.yaml", []byte(c.file), c.user, newHash)
		if err == nil || edit.Text != nil || err.Error() != c.want {
			t.Errorf("%s: got %q, %v, want %s", name, edit.Text, err, c.want)
		}
	}
}

// Where other users have no password yet, each is set in turn.
func TestSetUserPasswordsInTurn(t *testing.T) {
	text := []byte("users:\n- name: alice\n  password: hush\n- name: bob\n- name: carol\n  password: any\n")
	for i, name := range []string{"bob", "alice", "carol"} {
		edit, err := SetUserPassword("users.yaml", text, name, newHash)
		if err != nil || len(edit.Left) != 2-i || edit.Any != (name == "carol") {
			t.Fatalf("%s: %+v, %v", name, edit, err)
		}
		text = edit.Text
	}
	if _, err := ParseUsers("users.yaml", text, nil); err != nil {
		t.Error(err)
	}
}

// FuzzSetUserPassword changes arbitrary files. One that loads afterwards has the password, and no other user of it changes.
func FuzzSetUserPassword(f *testing.F) {
	for _, text := range []string{"users: []", "users:\n- name: alice\n  password: x # y", "users:\n- {name: alice}\n", "users:\n  - name: bob\n    password: any\n  #x\n", "defaults: {}\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		edit, err := SetUserPassword("users.yaml", []byte(text), "alice", newHash)
		if err != nil || len(edit.Left) > 0 {
			return
		}
		got := edit.Text
		users, err := ParseUsers("users.yaml", got, nil)
		if err != nil || users.Lookup("alice") == nil || users.Lookup("alice").Password != newHash {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		before, err := ParseUsers("users.yaml", []byte(text), nil)
		if err != nil {
			return
		}
		for _, u := range before.All() {
			if after := users.Lookup(u.Name); after == nil || u.Name != "alice" && after.Password != u.Password {
				t.Errorf("%q became %q: %q has changed", text, got, u.Name)
			}
		}
	})
}
