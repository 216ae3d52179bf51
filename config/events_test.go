package config

import "testing"

// A secret in a URL is not printed.
func TestEventOptionMistakes(t *testing.T) {
	testMistakes(t, map[string]mistakeCase{
		"a secret of no receiver": {
			args: append(completeArgs, "--event-url-secret-file=FILE"), file: "hush",
			want: []string{"--event-url-secret-file: requires --event-url, whose requests it signs"},
		},
		"a password in the URL": {
			args: append(completeArgs, "--event-url=https://alice:hush@example.com/", "--event-url-secret-file=hush-hush"),
			want: []string{"--event-url: must not contain a user or a password", "--event-url-secret-file: no such file or directory; must be the name of a file with the secret, not the secret itself"},
		},
		"a token in the URL": {
			args: append(completeArgs, "--event-url=http://example.com/?token=hush"), env: completeEnv,
			want: []string{"--event-url: must be https: plain http is allowed to loopback addresses only"},
		},
		"an empty secret": {
			args: append(completeArgs, "--event-url=http://127.0.0.1:8080", "--event-url-secret-file=FILE"), file: "\n",
			want: []string{`--event-url-secret-file "FILE": must contain a secret, but is empty`},
		},
	})
}
