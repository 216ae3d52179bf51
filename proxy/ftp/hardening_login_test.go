package ftp

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// words are what a client may say about a login, a letter each.
var words = map[string]string{
	"U": "USER test",
	"G": "PASS secret", // the right one
	"B": "PASS wrong",
	"F": "PASS undecided", // as the login fails
	"A": "AUTH NONSENSE",
	"R": "REIN",
}

// loggedIn tells the sentences that end in a login: the last USER or REIN is a USER, and the first PASS after it is the right one.
var loggedIn = regexp.MustCompile(`UA*G[^UR]*$`)

// TestLoginStates says all that can be said in up to four words. Nobody is logged in but by the right password after its own
// USER, and nobody after another USER or a REIN: whatever came before and failed, commands that need a login are then 530.
func TestLoginStates(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! login no\n! tls optional")
		login := s.srv.Login
		s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			if a.Password == "undecided" { // and the account comes with the error
				return proxy.Account{Store: s.store}, errDown
			}
			return login(ctx, a)
		}
		all, in := 0, 0
		for sentences := []string{""}; len(sentences[0]) <= 4; sentences = oneWordMore(sentences) {
			for _, sentence := range sentences {
				all++
				want := "530 Please log in with USER and PASS.\r"
				if loggedIn.MatchString(sentence) {
					in++
					want = "425 Use PASV, EPSV, PORT or EPRT first.\r"
				}
				if got := s.converse(sentence, "RETR a", "STOR a", "LIST"); got != strings.Repeat(want, 3) {
					t.Errorf("%s: %q, want three times %q", sentence, got, want)
				}
			}
		}
		if all != 1+6+36+216+1296 || in == 0 {
			t.Errorf("%d sentences, %d of them log in", all, in)
		}
	})
}

func oneWordMore(sentences []string) (longer []string) {
	for _, sentence := range sentences {
		for word := range words {
			longer = append(longer, sentence+word)
		}
	}
	return longer
}

// converse says a sentence and then some commands, on a connection of its own, and returns the replies to those.
func (s *script) converse(sentence string, commands ...string) (replies string) {
	c := s.connect(1)
	defer c.hangUp()
	<-c.replies
	for i, text := range append(strings.Split(sentence, ""), commands...) {
		said, isWord := words[text]
		if !isWord {
			said = text
		}
		fmt.Fprintf(c.conn, "%s\r\n", said)
		if got := <-c.replies; i >= len(sentence) {
			replies += got
		}
	}
	return replies
}
