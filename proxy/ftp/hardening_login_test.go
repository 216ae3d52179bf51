package ftp

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// loginCommands are commands that concern the login, each with a letter.
var loginCommands = map[string]string{
	"U": "USER test",
	"G": "PASS secret", // correct
	"B": "PASS wrong",
	"F": "PASS undecided", // Login returns an error
	"A": "AUTH NONSENSE",
	"R": "REIN",
}

// loggedIn matches sequences after which the client is logged in: the last USER or REIN is USER, and the first PASS after it is correct.
var loggedIn = regexp.MustCompile(`UA*G[^UR]*$`)

// All sequences of up to four such commands: the client is logged in only by the correct password directly after USER, and no longer
// after another USER or REIN. Otherwise commands that need a login get 530.
func TestLoginStates(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! login no\n! tls optional")
		login := s.srv.Login
		s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			if a.Password == "undecided" { // the account of a failed login must not be used
				return proxy.Account{Store: s.store}, storetest.ErrDown
			}
			return login(ctx, a)
		}
		all, in := 0, 0
		for sequences := []string{""}; len(sequences[0]) <= 4; sequences = extend(sequences) {
			for _, sequence := range sequences {
				all++
				want := "530 Please log in with USER and PASS.\r"
				if loggedIn.MatchString(sequence) {
					in++
					want = "425 Use PASV, EPSV, PORT or EPRT first.\r"
				}
				if got := s.runCommands(sequence, "RETR a", "STOR a", "LIST"); got != strings.Repeat(want, 3) {
					t.Errorf("after %s: replies %q, want three times %q", sequence, got, want)
				}
			}
		}
		if all != 1+6+36+216+1296 || in == 0 {
			t.Errorf("%d sequences were tested, %d with a login", all, in)
		}
	})
}

// extend returns all sequences with one more command.
func extend(sequences []string) (longer []string) {
	for _, sequence := range sequences {
		for letter := range loginCommands {
			longer = append(longer, sequence+letter)
		}
	}
	return longer
}

// runCommands sends a sequence of loginCommands and then commands, on a new connection, and returns the replies to the latter.
func (s *script) runCommands(sequence string, commands ...string) (replies string) {
	c := s.connect(1)
	defer c.closeControl()
	<-c.replies
	for i, text := range append(strings.Split(sequence, ""), commands...) {
		if command, ok := loginCommands[text]; ok {
			text = command
		}
		fmt.Fprintf(c.conn, "%s\r\n", text)
		if got := <-c.replies; i >= len(sequence) {
			replies += got
		}
	}
	return replies
}
