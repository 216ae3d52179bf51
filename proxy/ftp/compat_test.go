package ftp

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// The charset is for names of files: user names and passwords are not decoded.
func TestCredentialsAreNotDecoded(t *testing.T) {
	inBubble(t, func(s *script) {
		var got proxy.Attempt
		s.srv.Login = func(_ context.Context, a proxy.Attempt) (proxy.Account, error) {
			got = a
			return proxy.Account{Store: s.store}, nil
		}
		s.play(`
			! names latin1
			! backslash
			! login no
			S> 220 *
			C= "USER a\\\xe9\r\n"
			S> 331 *
			C= "PASS \\\xe9\r\n"
			S> 230 *`)
		if got.User != "a\\\xe9" || got.Password != "\\\xe9" {
			t.Errorf("Login gets user %q and password %q", got.User, got.Password)
		}
	})
}

// The limit of 1,024 bytes for a key is for its UTF-8, not for the bytes that the client sends.
func TestLengthOfNamesIsLimitedInUTF8(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! names latin1")
		s.play(fmt.Sprintf("C= %q\nS> 257 *", "MKD "+strings.Repeat("\xe9", 512)+"\r\n"))
		s.play(fmt.Sprintf("C= %q\nS> 553 *", "MKD "+strings.Repeat("\xe9", 513)+"\r\n"))
		s.play(fmt.Sprintf("=> /%s/", strings.Repeat("é", 512)))
	})
}

// FuzzReplyNames checks that a reply with any name, in any charset, has no control characters of terminals or of Telnet.
func FuzzReplyNames(f *testing.F) {
	for _, seed := range []string{"a", `\d\e.txt`, "\x95\x5c\\\x83\x5c", "\xd5\x5c\\\xdf\x5b", "caf\xe9\\\xff", "\x1b[2J", "\u009b2J", "a\x7f", "\xc3", "é表ÿ"} {
		for charset := range uint8(4) {
			f.Add(charset, seed)
		}
	}
	f.Fuzz(func(t *testing.T, charset uint8, name string) {
		if len(name) > maxLine {
			return
		}
		c := names.Codec{Charset: proxy.Charset(charset % 4)}
		wire := encodeReply(c, reply{257, names.Quote(name)}.String())
		if strings.Contains(strings.ReplaceAll(wire, "\xff\xff", ""), "\xff") {
			t.Errorf("%v: the reply for %q is %q, with a byte 255 that is not doubled", c, name, wire)
		}
		text, ok := c.Decode(strings.ReplaceAll(wire, "\xff\xff", "\xff"))
		if line := strings.ReplaceAll(text, "\r\n", ""); !ok || strings.ContainsFunc(line, unicode.IsControl) || !utf8.ValidString(line) {
			t.Errorf("%v: the reply for %q is %q", c, name, wire)
		}
	})
}
