package ftp

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy/observe"
)

// beforeLogin are the commands that need no login.
var beforeLogin = []string{"AUTH", "CCC", "CLNT", "FEAT", "HELP", "HOST", "NOOP", "OPTS", "PASS", "PBSZ", "PROT", "QUIT", "REIN", "SYST", "USER"}

// Before the login, all other commands get 530, with and without an argument, in upper and lower case.
func TestNeedsLogin(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! login no\n<= /x \"x\"\nS> 220 *\nC> USER test\nS> 331 *")
		for _, verb := range slices.Sorted(maps.Keys(commands)) {
			if slices.Contains(beforeLogin, verb) {
				continue
			}
			for _, text := range []string{verb, verb + " x", strings.ToLower(verb) + " 1"} {
				s.play(fmt.Sprintf("C> %s\nS> 530 Please log in with USER and PASS.", text))
			}
		}
		s.play("=> /x \"x\"")
	})
	for _, verb := range beforeLogin {
		if commands[verb].need&login != 0 {
			t.Errorf("%s needs a login", verb)
		}
	}
}

// A command that needs an argument is not run without one, and the reply names the argument.
func TestNeedsArgument(t *testing.T) {
	inBubble(t, func(s *script) {
		for _, verb := range slices.Sorted(maps.Keys(commands)) {
			c := commands[verb]
			if c.need&argument == 0 {
				continue
			}
			if c.help == "" {
				t.Errorf("%s needs an argument, but HELP does not name it", verb)
			}
			s.play(fmt.Sprintf("C> %s\nS> 501 %s requires an argument: *", verb, verb))
			s.play(fmt.Sprintf("C= %q\nS> 501 *", verb+" \r\n"))
		}
	})
}

// wordArgs has arguments for each command with an argument that is not a name, and the codes of the replies.
var wordArgs = map[string]string{
	"AUTH TLS": "502", "AUTH x y": "502", "PBSZ 0": "503", "PROT P": "503", "HOST x": "503", "CLNT x y": "200",
	"TYPE A": "200", "TYPE A N": "200", "TYPE I": "200", "TYPE L 8": "200", "TYPE L 16": "504", "TYPE X": "501",
	"STRU F": "200", "STRU R": "504", "MODE S": "200", "MODE Z": "200",
	"PORT 192,0,2,7,200,1": "200", "EPRT |1|192.0.2.7|51201|": "200", "EPSV 1": "229", "EPSV 2": "522", "EPSV ALL": "200",
	"ALLO 5": "200", "ALLO 5 R 8": "200", "REST 0": "350", "REST 7": "350", "RANG 0 3": "350", "RANG 1 0": "350",
	"OPTS UTF8 ON": "200", "OPTS MLST size;type;": "200", "OPTS HASH MD5": "200", "OPTS MODE Z LEVEL 3": "200", "OPTS x": "501",
	"HELP STOR": "214", "HELP none": "502", "SITE HELP ": "214", "SITE IDLE 60": "200", "SITE UMASK 022": "200", "SITE NAMEFMT 1": "250",
	"SITE LISTFMT 1": "250", "SITE none": "504",
}

// Several devices send additional blanks before, between and after arguments. They are ignored, except in names.
func TestBlanksAroundArgumentsAreIgnored(t *testing.T) {
	tried := make(map[string]bool)
	for text, want := range wordArgs {
		verb, arg := split(text)
		tried[verb] = true
		spaced := strings.ReplaceAll(arg, " ", "  ")
		for _, arg := range []string{arg, arg + " ", arg + "   ", " " + arg, spaced, "  " + spaced + " \t"} {
			inBubble(t, func(s *script) {
				s.play("! no-listener\nC> NOOP\nS> 200 *")
				if got := s.replyCode(verb + " " + arg); got != want {
					t.Errorf("%s %q gets the reply %s, want %s", verb, arg, got, want)
				}
			})
		}
	}
	for verb, c := range commands {
		if c.arg == wordsArg && c.help != "" && !tried[verb] {
			t.Errorf("wordArgs has no argument for %s", verb)
		}
	}
}

// A command with an optional argument treats blanks as no argument.
func TestBlanksAreNoArgument(t *testing.T) {
	for verb, c := range commands {
		if c.need&argument != 0 || c.arg == secretArg || verb == "QUIT" || verb == "REIN" || verb == "STOU" {
			continue
		}
		var replies [2]string
		for i, blanks := range []string{"", "  "} {
			inBubble(t, func(s *script) {
				s.play("C> NOOP\nS> 200 *")
				replies[i] = s.replyCode(verb + blanks)
			})
		}
		if replies[0] != replies[1] || replies[0] == "" {
			t.Errorf("%s gets the reply %s, with blanks %s", verb, replies[0], replies[1])
		}
	}
}

// A name as argument keeps all its blanks.
func TestNamesKeepBlanks(t *testing.T) {
	named := []string{"file", "path", "directory"}
	for verb, c := range commands {
		isNamed := slices.ContainsFunc(named, func(word string) bool { return strings.Contains(c.help, word) })
		if isNamed && c.arg != nameArg {
			t.Errorf("%s needs a %s, but is not marked with nameArg", verb, c.help)
		}
		if c.arg == nameArg && c.need&argument != 0 && c.trim(" a  b ") != " a  b " {
			t.Errorf("%s removes blanks from a name", verb)
		}
	}
}

// Any command between RNFR and RNTO, also a refused one, cancels the RNFR.
func TestOtherCommandCancelsRNFR(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("<= /a \"x\"\nC> NOOP\nS> 200 *")
		for _, verb := range slices.Sorted(maps.Keys(commands)) {
			if slices.Contains([]string{"QUIT", "REIN", "USER", "RNFR", "RNTO"}, verb) {
				continue
			}
			for _, text := range []string{verb, verb + " x", "X" + verb} {
				for _, c := range []struct{ text, code string }{{"RNFR a", "350"}, {text, ""}, {"RNTO b", "503"}} {
					if got := s.replyCode(c.text); c.code != "" && got != c.code {
						t.Errorf("RNFR, %s, RNTO: %s gets the reply %s, want %s", text, c.text, got, c.code)
					}
				}
			}
		}
		s.play("=> /a \"x\"")
	})
}

// replyCode sends a command and returns the code of its final reply.
func (s *script) replyCode(text string) string {
	s.send("C>", text)
	for got := range s.replies {
		if len(got) > 3 && got[3] == ' ' && '2' <= got[0] && got[0] <= '5' { // neither 1xx nor a line of a multi-line reply
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

// An argument that may be a password must not be logged.
func TestRedact(t *testing.T) {
	for verb := range commands {
		want := "x"
		if verb == "PASS" || verb == "ACCT" || verb == "SITE" {
			want = ""
		}
		if got := redact(verb, "x"); got != want {
			t.Errorf("redact of %s x = %q, want %q", verb, got, want)
		}
	}
}

// A mistyped PASS is an unknown command. Its password must not be logged.
func TestPasswordAfterMistypedCommandIsNotLogged(t *testing.T) {
	var log strings.Builder
	s := &session{entry: newEntry(t), srv: &Server{
		Observer: observe.Log(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))}}
	for _, text := range []string{" PASS hunter2", "PASS\thunter2", "PAS hunter2", "hunter2", "SITE PSWD hunter2 hunter2"} {
		s.execute(t.Context(), line{text: text})
	}
	s.execute(t.Context(), line{text: "NOOP"})
	if got := strings.ToLower(log.String()); strings.Contains(got, "hunter2") || !strings.Contains(got, "noop") {
		t.Error(got)
	}
}
