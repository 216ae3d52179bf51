package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// open are the commands that a client may give before it has logged in.
var open = []string{"FEAT", "HELP", "NOOP", "OPTS", "PASS", "QUIT", "REIN", "SYST", "USER"}

// TestNeedsLogin: every other command is 530, with an argument and without, in whatever case.
func TestNeedsLogin(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! login no\n<= /x \"x\"\nS> 220 *\nC> USER test\nS> 331 *")
		for _, verb := range slices.Sorted(maps.Keys(commands)) {
			if slices.Contains(open, verb) {
				continue
			}
			for _, text := range []string{verb, verb + " x", strings.ToLower(verb) + " 1"} {
				s.play(fmt.Sprintf("C> %s\nS> 530 Log in with USER and PASS first.", text))
			}
		}
		s.play("=> /x \"x\"")
	})
	for _, verb := range open {
		if commands[verb].need&login != 0 {
			t.Errorf("%s needs a login", verb)
		}
	}
}

// TestNeedsArgument: a command that needs an argument says so, and which; none is run without.
func TestNeedsArgument(t *testing.T) {
	inBubble(t, func(s *script) {
		for _, verb := range slices.Sorted(maps.Keys(commands)) {
			c := commands[verb]
			if c.need&argument == 0 {
				continue
			}
			if c.help == "" {
				t.Errorf("%s needs an argument that HELP does not name", verb)
			}
			s.play(fmt.Sprintf("C> %s\nS> 501 %s needs an argument: *", verb, verb))
			s.play(fmt.Sprintf("C= %q\nS> 501 *", verb+" \r\n"))
		}
	})
}

// TestRNFRIsCleared: every command but RNTO makes a RNFR void.
func TestRNFRIsCleared(t *testing.T) {
	for _, verb := range slices.Sorted(maps.Keys(commands)) {
		s := &session{from: "/a", srv: &Server{}, store: newMemStore()}
		s.obey(t.Context(), line{text: "X" + verb}) // no command
		if s.from != "" {
			t.Errorf("X%s leaves RNFR in force", verb)
		}
	}
}

func TestSplit(t *testing.T) {
	for text, want := range map[string][2]string{
		"NOOP":       {"NOOP", ""},
		"noop":       {"NOOP", ""},
		"STOR a b":   {"STOR", "a b"},
		"STOR  a ":   {"STOR", " a "},
		"":           {"", ""},
		" NOOP":      {"", "NOOP"},
		"stor A\tb ": {"STOR", "A\tb "},
	} {
		if verb, arg := split(text); [2]string{verb, arg} != want {
			t.Errorf("%q: %q %q, want %q", text, verb, arg, want)
		}
	}
}

// TestRedact: what follows PASS and ACCT stays out of the log.
func TestRedact(t *testing.T) {
	for verb := range commands {
		want := "x"
		if verb == "PASS" || verb == "ACCT" {
			want = ""
		}
		if got := redact(verb, "x"); got != want {
			t.Errorf("%s x is logged with %q, want %q", verb, got, want)
		}
	}
}
