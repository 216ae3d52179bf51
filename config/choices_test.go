package config

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseNames(t *testing.T) {
	testChoices(t, parseNames, map[string]map[string]string{ // value by "user address"
		"latin1":                        {"alice 10.0.0.1": "latin1", " ::1": "latin1"},
		"10.0.0.0/8=latin1":             {"alice 10.0.0.1": "latin1", " 10.255.0.1": "latin1", " 11.0.0.1": "utf-8", " ::ffff:10.0.0.1": "latin1", " fe80::1": "utf-8"},
		"alice=gbk, shift-jis":          {"alice 10.0.0.1": "gbk", " 10.0.0.1": "shift-jis", "bob 10.0.0.1": "shift-jis"},
		"10.0.0.0/8=latin1,alice=utf-8": {"alice 10.0.0.1": "utf-8", "bob 10.0.0.1": "latin1"},
		"10.0.0.0/8=latin1,10.1.0.0/16=gbk,10.1.2.3=shift-jis,0.0.0.0/0=utf-8,fe80::/10=gbk,latin1": {
			" 10.0.0.1": "latin1", " 10.1.0.1": "gbk", " 10.1.2.3": "shift-jis", " 11.0.0.1": "utf-8", " fe80::1%eth0": "gbk", " ::1": "latin1"},
		"10.1.0.0/16=gbk,10.0.0.0/8=latin1": {" 10.1.0.1": "gbk", " 10.0.0.1": "latin1"},
		"a=b=gbk,12345=latin1,x.y=latin1":   {"a=b ::1": "gbk", "12345 ::1": "latin1", "x.y ::1": "latin1", "a ::1": "utf-8"},
	}, map[string]string{
		"": "must be", "latin-1": "must be", "latin1,": "must be", "UTF8": "must be", "alice": "must be", "latin1=10.0.0.0/8": "must be",
		"latin1,gbk": "at the end", "latin1,alice=gbk": "at the end", "10.0.0.1/8=gbk": "10.0.0.0/8", "10.0.0=gbk": "not a network", "10/8=gbk": "not a network",
		"300.1.1.1=gbk": "not a network", "10.0.0.0/8=gbk,10.0.0.0/8=latin1": "only once", "alice=gbk,alice=gbk": "only once", "=gbk": "a name",
	})
}

func TestParseAllo(t *testing.T) {
	testChoices(t, parseAllo, map[string]map[string]string{ // value by "user address"
		"hint":                            {"alice 10.0.0.1": "hint", " ::1": "hint"},
		"10.0.0.0/8=hint":                 {" 10.0.0.1": "hint", "alice 11.0.0.1": "auto"},
		"scanner=binding,alice=auto,hint": {"scanner ::1": "binding", "alice ::1": "auto", "bob ::1": "hint"},
	}, map[string]string{"": "must be", "true": "must be", "scanner": "must be", "hint,binding": "at the end", "10.0.0.1/8=hint": "10.0.0.0/8"})
}

func TestParseBoolChoices(t *testing.T) {
	testChoices(t, parseBoolChoices, map[string]map[string]bool{
		"true": {"alice 10.0.0.1": true, " ::1": true}, "off": {"alice 10.0.0.1": false},
		"10.0.0.0/8, alice": {"alice ::1": true, "bob 10.0.0.1": true, "bob 11.0.0.1": false, " ::1": false},
	}, map[string]string{
		"": "must be", "alice,": "must be", "alice,true": "must be", "10.0.0.0/8=true": "must be", "10.0.0.1/8": "10.0.0.0/8", "alice,alice": "only once",
	})
}

// testChoices checks the values that valid texts give to a "user address", and the errors of invalid texts.
func testChoices[T comparable](t *testing.T, parse func(string) (Choices[T], error), values map[string]map[string]T, invalid map[string]string) {
	t.Helper()
	for text, want := range values {
		c, err := parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		for client, value := range want {
			user, address, _ := strings.Cut(client, " ")
			if got := c.For(user, netip.MustParseAddr(address)); got != value {
				t.Errorf("%q: %q gets %v, want %v", text, client, got, value)
			}
		}
	}
	for text, wantErr := range invalid {
		if got, err := parse(text); err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%q: got %v, %v, want an error with %q", text, got, err, wantErr)
		}
	}
}

// An option with an optional value takes the next argument as its value, unless that is an option.
func TestOptionalValue(t *testing.T) {
	for args, want := range map[string]bool{
		"--backslash": true, "--backslash=true": true, "--backslash true": true, "--backslash=false": false, "--backslash false": false,
		"--backslash --active": true, "--backslash alice": true, "--backslash=alice": true, "--backslash 192.0.2.0/24": false,
		"--backslash --lenient-dirs alice": true, "--names latin1": false, "--backslash 10.0.0.0/8,alice --active": true,
	} {
		c, err := load(Serve, append(strings.Fields(args), completeArgs...), completeEnv, noLimit)
		if err != nil {
			t.Errorf("%s: %v", args, err)
		} else if got := c.Backslash.For("alice", netip.MustParseAddr("203.0.113.7")); got != want {
			t.Errorf("%s: %v, want %v", args, got, want)
		}
	}
}

func TestChoicesMistakes(t *testing.T) {
	testMistakes(t, map[string]mistakeCase{
		"unknown charsets and users": {
			args: append(completeArgs, "--names=10.0.0.0/8=latin-1", "--backslash", "scanner", "--lenient-dirs=bob=true", "--allo=bob=hint,never"),
			want: []string{
				`--names "10.0.0.0/8=latin-1": must be utf-8, latin1, shift-jis or gbk, optionally by network or user, e.g. 10.0.0.0/8=latin1 or scanner=latin1`,
				`--lenient-dirs "bob=true": must be true, false or a list of networks and users, e.g. 10.0.0.0/8,scanner`,
				`--allo "bob=hint,never": must be auto, binding or hint, optionally by network or user, e.g. 10.0.0.0/8=hint or scanner=hint`,
				`--backslash "scanner": names the unknown user "scanner": must be "alice", as in --user`,
			},
		},
		"unknown networks and users in a file": {
			args: completeArgs, file: "names: [10.0.0.1/8=latin1]\nbackslash: [alice, bob, carol]\nallo: [bob=hint, auto]\n",
			want: []string{
				`FILE:1: names "10.0.0.1/8=latin1": 10.0.0.1/8 is not a network: must be 10.0.0.0/8`,
				`FILE:2: backslash "alice,bob,carol": names the unknown user "bob": must be "alice", as in --user`,
				`FILE:2: backslash "alice,bob,carol": names the unknown user "carol": must be "alice", as in --user`,
				`FILE:3: allo "bob=hint,auto": names the unknown user "bob": must be "alice", as in --user`,
			},
		},
	})
}
