package config

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseNames(t *testing.T) {
	testChoices(t, parseNames, map[string]map[string]string{ // what "user address" gets
		"latin1":                        {"alice 10.0.0.1": "latin1", " ::1": "latin1"},
		"10.0.0.0/8=latin1":             {"alice 10.0.0.1": "latin1", " 10.255.0.1": "latin1", " 11.0.0.1": "utf-8", " ::ffff:10.0.0.1": "latin1", " fe80::1": "utf-8"},
		"alice=gbk, shift-jis":          {"alice 10.0.0.1": "gbk", " 10.0.0.1": "shift-jis", "bob 10.0.0.1": "shift-jis"},
		"10.0.0.0/8=latin1,alice=utf-8": {"alice 10.0.0.1": "utf-8", "bob 10.0.0.1": "latin1"},
		"10.0.0.0/8=latin1,10.1.0.0/16=gbk,10.1.2.3=shift-jis,0.0.0.0/0=utf-8,fe80::/10=gbk,latin1": {
			" 10.0.0.1": "latin1", " 10.1.0.1": "gbk", " 10.1.2.3": "shift-jis", " 11.0.0.1": "utf-8", " fe80::1%eth0": "gbk", " ::1": "latin1"},
		"10.1.0.0/16=gbk,10.0.0.0/8=latin1": {" 10.1.0.1": "gbk", " 10.0.0.1": "latin1"},
		"a=b=gbk,12345=latin1,x.y=latin1":   {"a=b ::1": "gbk", "12345 ::1": "latin1", "x.y ::1": "latin1", "a ::1": "utf-8"},
	}, map[string]string{
		"": "is wanted", "latin-1": "is wanted", "latin1,": "is wanted", "UTF8": "is wanted", "alice": "is wanted", "latin1=10.0.0.0/8": "is wanted",
		"latin1,gbk": "stands last", "latin1,alice=gbk": "stands last", "10.0.0.1/8=gbk": "10.0.0.0/8", "10.0.0=gbk": "no network", "10/8=gbk": "no network",
		"300.1.1.1=gbk": "no network", "10.0.0.0/8=gbk,10.0.0.0/8=latin1": "twice", "alice=gbk,alice=gbk": "twice", "=gbk": "a name",
	})
}

func TestParseAllo(t *testing.T) {
	testChoices(t, parseAllo, map[string]map[string]string{ // what "user address" gets
		"hint":                            {"alice 10.0.0.1": "hint", " ::1": "hint"},
		"10.0.0.0/8=hint":                 {" 10.0.0.1": "hint", "alice 11.0.0.1": "auto"},
		"scanner=binding,alice=auto,hint": {"scanner ::1": "binding", "alice ::1": "auto", "bob ::1": "hint"},
	}, map[string]string{"": "is wanted", "true": "is wanted", "scanner": "is wanted", "hint,binding": "stands last", "10.0.0.1/8=hint": "10.0.0.0/8"})
}

func TestParseWho(t *testing.T) {
	testChoices(t, parseWho, map[string]map[string]bool{
		"true": {"alice 10.0.0.1": true, " ::1": true}, "off": {"alice 10.0.0.1": false},
		"10.0.0.0/8, alice": {"alice ::1": true, "bob 10.0.0.1": true, "bob 11.0.0.1": false, " ::1": false},
	}, map[string]string{
		"": "is wanted", "alice,": "is wanted", "alice,true": "is wanted", "10.0.0.0/8=true": "is wanted", "10.0.0.1/8": "10.0.0.0/8", "alice,alice": "twice",
	})
}

// testChoices parses texts that say what clients get, "user address" each, and texts that are refused with a word.
func testChoices[T comparable](t *testing.T, parse func(string) (Choices[T], error), gets map[string]map[string]T, refused map[string]string) {
	t.Helper()
	for text, want := range gets {
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
	for text, says := range refused {
		if got, err := parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, %v, want a word of %q", text, got, err, says)
		}
	}
}

// An option that may stand alone takes the next argument for its value, unless that is an option itself.
func TestSwitchOrList(t *testing.T) {
	for args, want := range map[string]bool{
		"--backslash": true, "--backslash=true": true, "--backslash true": true, "--backslash=false": false, "--backslash false": false,
		"--backslash --active": true, "--backslash alice": true, "--backslash=alice": true, "--backslash 192.0.2.0/24": false,
		"--backslash --lenient-dirs alice": true, "--names latin1": false, "--backslash 10.0.0.0/8,alice --active": true,
	} {
		c, err := load(Serve, append(strings.Fields(args), completeArgs...), completeEnv, machine)
		if err != nil {
			t.Errorf("%s: %v", args, err)
		} else if got := c.Backslash.For("alice", netip.MustParseAddr("203.0.113.7")); got != want {
			t.Errorf("%s: %v, want %v", args, got, want)
		}
	}
}

func TestMistakenChoices(t *testing.T) {
	testMistakes(t, map[string]mistaken{
		"charsets and users that are none": {
			args: append(completeArgs, "--names=10.0.0.0/8=latin-1", "--backslash", "scanner", "--lenient-dirs=bob=true", "--allo=bob=hint,never"),
			want: []string{
				`--names "10.0.0.0/8=latin-1": utf-8, latin1, shift-jis or gbk is wanted, and for some clients 10.0.0.0/8=latin1 or a user's name instead of the network`,
				`--lenient-dirs "bob=true": true, false or a list of networks and users is wanted, such as 10.0.0.0/8,scanner`,
				`--allo "bob=hint,never": auto, binding or hint is wanted, and for some clients 10.0.0.0/8=hint or a user's name instead of the network`,
				`--backslash "scanner": there is no user "scanner"; --user is "alice"`,
			},
		},
		"charsets of a network and a user, in a file": {
			args: completeArgs, file: "names: [10.0.0.1/8=latin1]\nbackslash: [alice, bob, carol]\nallo: [bob=hint, auto]\n",
			want: []string{
				`FILE:1: names "10.0.0.1/8=latin1": the network of 10.0.0.1/8 is written 10.0.0.0/8`,
				`FILE:2: backslash "alice,bob,carol": there is no user "bob"; --user is "alice"`,
				`FILE:2: backslash "alice,bob,carol": there is no user "carol"; --user is "alice"`,
				`FILE:3: allo "bob=hint,auto": there is no user "bob"; --user is "alice"`,
			},
		},
	})
}
