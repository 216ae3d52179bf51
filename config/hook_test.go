package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseHookURL(t *testing.T) {
	for text, problem := range map[string]string{
		"https://example.com/hook?a=b": "",
		"http://127.0.0.1:8080/":       "",
		"http://[::1]:8080":            "",
		"http://LOCALHOST/":            "",
		"http://example.com/":          "must be https",
		"http://127.0.0.1.example.com": "must be https",
		"http://10.0.0.1/":             "must be https",
		"https://u:p@example.com/":     "a user or a password",
		"https://example.com/#a":       "fragment",
		"example.com":                  "must be a URL",
		"https:///hook":                "must be a URL",
		"ftp://example.com/":           "must be a URL",
	} {
		if _, err := parseHookURL(text); (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v, want %q", text, err, problem)
		}
	}
}

// The part of a URL that may be a secret is not in a message.
func TestSecretsInHookURLs(t *testing.T) {
	for _, text := range []string{"https://u:hush@example.com/", "http://example.com/?token=hush", "https://example.com/#hush", "u:hush@example.com"} {
		if _, err := load(Serve, append(completeArgs, "--auth-url="+text), completeEnv, noLimit); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// With a hook, neither a user nor a bucket is required.
func TestHookOptions(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "--auth-url=https://example.com/login"
	for name, args := range map[string][]string{
		"alone":                       {url},
		"signed":                      {url, "--auth-url-secret-file=" + secret, "--auth-url-timeout=1s"},
		"with a place":                {url, "--bucket=invoices", "--prefix={user}/"},
		"with a prefix":               {url, "--prefix={user}/"},
		"with S3 keys":                {url, "--auth=s3"},
		"with a users file":           {url, "--users=users.yaml"},
		"without a hook":              {"--auth-url=", "--auth-url-secret-file=", "--auth=s3"},
		"with a user's bucket":        {url, "--user=alice", "--password-file=" + secret, "--bucket=invoices"},
		"with a rule for the bucket":  {url, "--bucket=invoices"},
		"with users, keys and a rule": {url, "--users=users.yaml", "--auth=s3", "--bucket=invoices"},
	} {
		c, err := load(Serve, args, nil, noLimit)
		if err != nil || (c.AuthURL == "") != (name == "without a hook") || c.AuthURLTimeout != map[bool]time.Duration{true: time.Second, false: 5 * time.Second}[name == "signed"] {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestHookOptionMistakes(t *testing.T) {
	const url = "--auth-url=https://example.com/login"
	testMistakes(t, map[string]mistakeCase{
		"plain http": {
			args: []string{"--auth-url=http://10.0.0.1/"}, env: []string{"HOME=/"},
			want: []string{`--auth-url "http://10.0.0.1/": must be https: plain http is allowed to loopback addresses only`},
		},
		"no hook": {
			args: append(completeArgs, "--auth-url-timeout=1s", "--auth-url-secret-file=FILE"), file: "hush",
			want: []string{"--auth-url-secret-file: requires --auth-url, the URL of the hook", "--auth-url-timeout: requires --auth-url, the URL of the hook"},
		},
		"no secret": {
			args: []string{url, "--auth-url-secret-file=FILE", "--auth-url-timeout=0s"}, env: []string{"HOME=/"}, file: "\n",
			want: []string{`--auth-url-secret-file "FILE": must contain a secret, but is empty`,
				`--auth-url-timeout "0s": must be a positive duration, e.g. 300ms, 20s or 1h30m`},
		},
		"a secret that is too long": {
			args: []string{url, "--auth-url-secret-file=FILE"}, env: []string{"HOME=/"}, file: strings.Repeat("x", 4097),
			want: []string{`--auth-url-secret-file "FILE": must contain a secret of at most 4096 bytes`},
		},
		"a user without a bucket": {
			args: []string{url, "--user=alice"},
			want: []string{`--bucket: is missing: must be the name of the bucket that --user serves; only --auth-url without --user needs none`},
		},
		"a user's prefix": {
			args: append(completeArgs, url, "--prefix={user}"),
			want: []string{`--prefix "{user}/": must not contain {user}, which is a variable only with --users, or with --auth-url and no --user`},
		},
		"a certificate without a user": {
			args: []string{url, "--tls-self-signed", "--tls-client-ca=x", "--user-certificate=alice"}, env: []string{"HOME=/"},
			want: []string{`--user-certificate "alice": requires --user: the hook decides about certificates`},
		},
		"a rule of no bucket": {
			command: Check, args: []string{url, "--fix-lifecycle"}, env: []string{"HOME=/"},
			want: []string{`--fix-lifecycle: requires --bucket, the bucket that gets the rule`},
		},
	})
}
