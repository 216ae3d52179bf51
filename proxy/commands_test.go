package proxy

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
)

// open are the commands that a client may give before it has logged in.
var open = []string{"AUTH", "CCC", "CLNT", "FEAT", "HELP", "HOST", "NOOP", "OPTS", "PASS", "PBSZ", "PROT", "QUIT", "REIN", "SYST", "USER"}

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

// TestRNFRIsCleared: whatever stands between RNFR and RNTO, obeyed or refused, makes the RNFR void.
func TestRNFRIsCleared(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("<= /a \"x\"\nC> NOOP\nS> 200 *")
		for _, verb := range slices.Sorted(maps.Keys(commands)) {
			if slices.Contains([]string{"QUIT", "REIN", "USER", "RNFR", "RNTO"}, verb) {
				continue
			}
			for _, text := range []string{verb, verb + " x", "X" + verb} {
				for _, c := range []struct{ text, code string }{{"RNFR a", "350"}, {text, ""}, {"RNTO b", "503"}} {
					if got := s.ask(c.text); c.code != "" && got != c.code {
						t.Errorf("RNFR, %s, RNTO: %s is answered %s, want %s", text, c.text, got, c.code)
					}
				}
			}
		}
		s.play("=> /a \"x\"")
	})
}

// ask says a line and returns the code of its final reply.
func (s *script) ask(text string) string {
	s.say("C>", text)
	for got := range s.replies {
		if len(got) > 3 && got[3] == ' ' && '2' <= got[0] && got[0] <= '5' { // not 1xx, nor a line inside
			return got[:3]
		}
	}
	return ""
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

// TestRedact: what may be a password stays out of the log.
func TestRedact(t *testing.T) {
	for verb := range commands {
		want := "x"
		if verb == "PASS" || verb == "ACCT" || verb == "SITE" {
			want = ""
		}
		if got := redact(verb, "x"); got != want {
			t.Errorf("%s x is logged with %q, want %q", verb, got, want)
		}
	}
}

// TestSlipsAreNotLogged: a password with a slip in front of it is no command, and does not reach the log.
func TestSlipsAreNotLogged(t *testing.T) {
	var log strings.Builder
	s := &session{srv: &Server{}, log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, text := range []string{" PASS hunter2", "PASS\thunter2", "PAS hunter2", "hunter2", "SITE PSWD hunter2 hunter2"} {
		s.obey(t.Context(), line{text: text})
	}
	s.obey(t.Context(), line{text: "NOOP"})
	if got := strings.ToLower(log.String()); strings.Contains(got, "hunter2") || !strings.Contains(got, "noop") {
		t.Error(got)
	}
}
