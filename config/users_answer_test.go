package config

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// allowed are the permissions of rw.
var allowed = permissionSets["rw"]

// The answer of a hook is JSON with the keys of a user. The options apply, and the defaults of a users file.
func TestAnswers(t *testing.T) {
	file, err := ParseUsers("users.yaml", []byte("defaults: {bucket: archive, prefix: 'customers/{user}/', max-sessions: 2}\nusers: []\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	place := func(bucket, prefix string) User {
		return User{Name: "alice", Line: 1, Mounts: []Mount{{Path: "/", Bucket: bucket, Prefix: prefix, Permissions: allowed}}, Home: "/", Permissions: allowed}
	}
	ofDefaults := place("archive", "customers/alice/")
	ofDefaults.MaxSessions = 2
	full := place("reports", "a/alice/")
	full.Permissions, full.Mounts[0].Permissions = permissionSets["ro"], permissionSets["ro"]
	full.MaxTransfers, full.AllowFrom, full.Expires = 3, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
	full.Certificate, full.SecondFactor = "alice", factorPairs[0]
	full.S3 = &UserS3{AccessKey: "KEY", SecretKey: "hush-hush"}
	for text, x := range map[string]struct {
		file *Users
		want User
	}{
		"{}":                      {nil, place("invoices", "all/")},
		" \r\n\t{ } \n":           {file, ofDefaults},
		`{"name": "alice"}`:       {file, ofDefaults},
		"\uFEFF{}":                {nil, place("invoices", "all/")},
		`{"prefix":"a\/\u0062/"}`: {nil, place("invoices", "a/b/")},
		`{"prefix": "{user}"}`:    {nil, place("invoices", "alice/")},
		"{\n\t\"bucket\":\t\"reports\",\n\t\"prefix\": \"a/{user}\", \"permissions\": [\"list\", \"read\"], \"max-transfers\": 3, \"allow-from\": [\"192.0.2.0/24\"]," +
			`"expires": "2027-01-31", "certificate": "alice", "second-factor": ["password", "certificate"], "s3": {"access-key": "KEY", "secret-key": "hush-hush"}}`: {nil, full},
	} {
		got, err := x.file.ParseUser("alice", []byte(text), &Config{Bucket: "invoices", Prefix: "all/", TLSClientCA: "ca.pem"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got.Line = 1; !reflect.DeepEqual(*got, x.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", text, *got, x.want)
		}
	}
}

// A mistake names the user, the key and what would be right, and no secret.
func TestAnswerMistakes(t *testing.T) {
	const object = `must be a JSON object with the keys of the user, e.g. {"prefix": "customers/alice/"}`
	for _, x := range []struct{ text, want string }{
		{"", object},
		{"null", object},
		{"[]", object},
		{`"hush"`, object},
		{"{} {}", object},
		{`{"prefix": "a/"`, object},
		{"prefix: a/", object},
		{"{prefix: a/}", object},
		{"<html>hush</html>", object},
		{"{\"prefix\": \"a\xE4\"}", "must be UTF-8"},
		{`{"name": "bob"}`, `name "bob": must be "alice", the name in the request, or be left out`},
		{`{"name": ["alice"]}`, "name: must be a plain value"},
		{`{"prefix": "../bob/"}`, `prefix "../bob/": must be a prefix such as customers/alice/`},
		{`{"prefix": "a/../../bob/"}`, `prefix "a/../../bob/": must be a prefix`},
		{`{"prefix": "/bob/"}`, `prefix "/bob/": must be a prefix`},
		{`{"prefix": "a\u0000b/"}`, "without control characters"},
		{`{"prefix": "%u/"}`, "which are no variables here"},
		{`{"mounts": {"/in": {"prefix": "../"}}}`, `mounts: /in: prefix "../": must be a prefix`},
		{`{"mounts": {"/../in": {"prefix": "a/"}}}`, `"/../in": must be an absolute path`},
		{`{"home": "/../x"}`, "must be an absolute path"},
		{`{"bucket": "a/b"}`, `must be two keys: bucket: "a" and prefix: "b"`},
		{`{"prefix": "a/", "prefix": "b/"}`, "prefix: must be set only once"},
		{`{"s3": {"access-key": "KEY", "access-key": "KEY2", "secret-key": "hush-hush"}}`, "s3: access-key: must be set only once"},
		{`{"prefx": "a/"}`, "prefx: no such key; did you mean prefix?"},
		{`{"users": [{"name": "alice"}]}`, "users: no such key"},
		{`{"max-sessions": "many"}`, `max-sessions "many": must be a number of at least 1`},
		{`{"max-sessions": 0}`, `max-sessions "0": must be a number of at least 1`},
		{`{"disabled": null}`, "disabled: must have a value"},
		{`{"public-keys": []}`, "public-keys: must be a list of at least one value"},
		{`{"quota": {"size": "1 disk"}}`, `quota: size "1 disk": must be a size`},
		{`{"password": "hush"}`, "password: must be a hash, not the password itself: `s3ftpd passwd` makes one; an answer needs no password"},
		{`{"password": "any"}`, `must be of the user anonymous only`},
		{`{"second-factor": ["password", "certificate"]}`, "second-factor: requires certificate"},
		{`{"certificate": "alice"}`, "certificate: requires --tls-client-ca"},
		{`{"s3": {"access-key": "KEY", "secret-key": "hush"}}`, "secret-key: must be a secret key of at least 8 bytes"},
		{`{"user":"alice","password":"hush","method":"password","session":"0a1b"}`, "user: no such key"}, // an echo
		{`{"s3": ` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "must have at most 32 open brackets and braces"},
		{`{"prefix": "` + strings.Repeat("x", 64<<10) + `"}`, "the answer must be at most 64 KiB long"},
	} {
		var none *Users
		user, err := none.ParseUser("alice", []byte(x.text), &Config{Bucket: "invoices"})
		if err == nil || user != nil {
			t.Errorf("%s: got %+v, %v", x.text, user, err)
			continue
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "answer:") || !strings.Contains(line, `: user "alice": `) || strings.Contains(line, "hush") {
				t.Errorf("%s: the message %s", x.text, line)
			}
		}
		if !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %s", x.text, err, x.want)
		}
	}
	if _, err := (*Users)(nil).ParseUser("alice", []byte("{}"), &Config{}); err == nil || !strings.Contains(err.Error(), "bucket: is missing: must be the user's") {
		t.Errorf("without a bucket: %v", err)
	}
	for _, name := range []string{"..", ".", "a/b"} {
		if user, err := (*Users)(nil).ParseUser(name, []byte(`{"prefix": "x/{user}/"}`), &Config{Bucket: "invoices"}); err == nil {
			t.Errorf("%s: %+v", name, user)
		}
	}
}

// FuzzAnswer reads arbitrary answers. None causes a panic, each message has one line and no secret, and what is read is what the
// JSON says.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{"{}", `{"prefix": "a/", "bucket": "reports"}`, `{"bucket": "\ud83d\ude00", "home": "\/a"}`, `{"name": "alice", "s3": {"access-key": "hush"}}`,
		`{"mounts": {"/a": {"prefix": "{user}/"}}, "tags": {}}`, "{\n\t\"password\": \"hush\"}", `{"": 1e9, "<<": [null, true]}`} {
		f.Add(text)
	}
	c := &Config{Bucket: "invoices"}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := (*Users)(nil).ParseUser("alice", []byte(text), c)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "answer:") || !isPrintable(line) {
					t.Errorf("%q: the message %q", text, line)
				}
			}
			return
		}
		checkUser(t, text, u)
		var said struct{ Name, Bucket, Prefix *string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "\uFEFF")), &said); err != nil {
			t.Errorf("%q: read, but: %v", text, err)
		}
		root := len(u.Mounts) == 1 && u.Mounts[0].Path == "/"
		if u.Name != "alice" || said.Name != nil && *said.Name != u.Name || root && said.Bucket != nil && u.Mounts[0].Bucket != *said.Bucket ||
			root && said.Prefix != nil && strings.TrimSuffix(u.Mounts[0].Prefix, "/") != strings.TrimSuffix(strings.ReplaceAll(*said.Prefix, userVariable, "alice"), "/") {
			t.Errorf("%q: %+v", text, u)
		}
	})
}
