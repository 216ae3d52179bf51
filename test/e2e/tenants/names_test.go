package tenants

import (
	"fmt"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// named returns a users file with a user in whose prefix the name stands.
func named(name string) string {
	return fmt.Sprintf(`
defaults: {bucket: files, prefix: "a/{user}/"}
users:
  - {name: %q, password: HASH}
  - {name: neighbour, password: HASH}
`, name)
}

// TestNamesRefused: a users file is refused if a name would lead out of the prefix that contains it, or is none.
func TestNamesRefused(t *testing.T) {
	for _, name := range []string{"", ".", "..", "/", "../", "./", "../neighbour", "/neighbour", "neighbour/", "x/../neighbour", "x/..", "neighbour/x",
		" ", " x", "x ",
		strings.Repeat("x", 128), strings.Repeat("ü", 64), "x\x00", "\x00", "x\n", "\r", "\u0085", "\u2028", "neighbour"} {
		file := writeUsers(t, named(name))
		out, err := harness.Try(t, t.TempDir(), "", harness.Program(), "users", "list", file)
		if err == nil || !strings.Contains(out, file+":") {
			t.Errorf("%q: %v, %s", name, err, out)
		}
	}
	if out, err := harness.Try(t, t.TempDir(), "", harness.Program(), "users", "list", writeUsers(t, named("alice"))); err != nil {
		t.Errorf("alice: %v, %s", err, out)
	}
}

// TestNamesContained: users with all other names stay in their places.
func TestNamesContained(t *testing.T) {
	names := map[string]string{"escaped dot": "%2e", "escaped dots": "%2e%2e", "escaped slash": "%2e%2e%2fneighbour", "three dots": "...",
		"dots and more": "..x", "backslashes": `..\neighbour`, "UTF-8": "größe 日本", "right to left": "\u202eruobhgien", "wide dots": "．．",
		"wide slash": "．．／neighbour", "longest": strings.Repeat("x", 127), "part of another": "neighbou", "longer than another": "neighbour2",
		"the variable": "{user}", "query": "?prefix=a&x=", "fragment": "#", "glob": "*", "space": "a b", "percent": "%", "version": "x?versionId=null"}
	harness.SomeAtOnce(t, 4, names, func(t *testing.T, _, name string) {
		few := func(other string) []string { return append(dots(other)[17:21], escaped(other)[:3]...) }
		u := tenant{name, []place{{bucket: files, prefix: "a/" + name + "/"}}, []string{"/"}, []string{"neighbour"}, nil, few, 0}
		v := attack(t, newStore(t), named(name), u)
		for _, f := range v.findings {
			t.Error(f)
		}
		if v.requests < 50 {
			t.Errorf("only %d requests", v.requests)
		}
	})
}
