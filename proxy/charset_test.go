package proxy

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestCharsets: what is decoded comes back the same, and what would not is refused.
func TestCharsets(t *testing.T) {
	for _, c := range []struct {
		charset    Charset
		wire, text string
	}{
		{UTF8, "é表", "é表"},
		{Latin1, "caf\xe9 \x80 \xff", "café € ÿ"},
		{Latin1, `a\b~`, `a\b~`},
		{ShiftJIS, "\x95\x5c\x83\x5c\x81\x5b\x83\x7c", "表ソーポ"},
		{ShiftJIS, `a\b~`, `a\b~`},
		{ShiftJIS, "\xb1\xb2", "ｱｲ"},
		{ShiftJIS, "\x87\x40\x87\x54", "①Ⅰ"},
		{ShiftJIS, "\xfb\xfc\x8b\xb4", "髙橋"}, // of those that there are twice
		{ShiftJIS, "\xfa\x40\xfc\x4b", "ⅰ黑"},
		{GBK, "\xd5\x5c\xdf\x5b", "誠遊"},
		{GBK, "\xa2\xe3", "€"},
		{GBK, "\x94\x39\xfc\x36\x81\x30\x84\x36", "😀¥"},
	} {
		if got, ok := c.charset.decode(c.wire); got != c.text || !ok {
			t.Errorf("%v: %q is %q, %v; want %q", c.charset, c.wire, got, ok, c.text)
		}
		if got, ok := c.charset.encode(c.text); got != c.wire || !ok {
			t.Errorf("%v: %q is %q, %v; want %q", c.charset, c.text, got, ok, c.wire)
		}
	}
	for charset, texts := range map[Charset][]string{
		Latin1:   {"\x81", "\x8d", "\x8f", "\x90", "\x9d"},
		ShiftJIS: {"\x80", "\xa0", "\x81", "\x81\x20", "\xfd", "\xff", "\xed\x40", "\xee\xe0", "\xfa\x54"},
		GBK:      {"\x80", "\xff", "\x81", "\x81\x20", "\xa3\xa0", "\x81\x30\x84", "\x81\x30\x84\x30\x84"},
	} {
		for _, text := range texts {
			if got, ok := charset.decode(text); ok {
				t.Errorf("%v: %q is %q", charset, text, got)
			}
		}
	}
	for charset, texts := range map[Charset][]string{
		Latin1: {"表", "\u0100", "😀", "\u0301", "\ufffd", "\xe9"}, ShiftJIS: {"¥", "‾", "é", "〜", "\ufffd", "\x95\x5c"}, GBK: {"\xd5\x5c"},
	} {
		for _, text := range texts {
			if got, ok := charset.encode(text); ok {
				t.Errorf("%v: %q is %q", charset, text, got)
			}
			if got := charset.say("a" + text + "b"); utf8.ValidString(text) && got != "a?b" {
				t.Errorf("%v: %q is said as %q", charset, text, got)
			}
		}
	}
}

// TestLongNames: a key has 1,024 bytes of UTF-8 at most, however many the client sends.
func TestLongNames(t *testing.T) {
	inBubble(t, func(s *script) {
		s.play("! names latin1")
		s.play(fmt.Sprintf("C= %q\nS> 257 *", "MKD "+strings.Repeat("\xe9", 512)+"\r\n"))
		s.play(fmt.Sprintf("C= %q\nS> 553 *", "MKD "+strings.Repeat("\xe9", 513)+"\r\n"))
		s.play(fmt.Sprintf("=> /%s/", strings.Repeat("é", 512)))
	})
}

// FuzzNames: whatever bytes come in whichever charset, they are refused or come back the same; a backslash splits no character;
// nothing that a terminal obeys goes out, and a name that is shown means itself.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"a", `\d\e.txt`, "\x95\x5c\\\x83\x5c", "\xd5\x5c\\\xdf\x5b", "caf\xe9\\\xff", "\x81\x30\x81\x31", "\x94\x39\xfc\x36",
		"\xee\xe0", "\x1b[2J", "\u009b2J", "a\x7f", "\x81\\", "\xc3", "é表"} {
		for charset := range uint8(4) {
			f.Add(charset, seed)
		}
	}
	f.Fuzz(func(t *testing.T, charset uint8, in string) {
		if len(in) > maxLine {
			return
		}
		plain, bent := Habits{Names: Charset(charset % 4)}, Habits{Names: Charset(charset % 4), Backslash: true}
		text := plain.heard(in)
		if name, err := resolve("/", text); err == nil {
			if back, ok := plain.Names.encode(text); back != in || !ok {
				t.Errorf("%v: %q is %q, and comes back as %q", plain.Names, in, text, back)
			}
			if got, want := strings.Count(bent.heard(in), "/"), strings.Count(in, "/")+separators(plain.Names, in); got != want {
				t.Errorf("%v: %q is %q, with %d slashes, want %d", plain.Names, in, bent.heard(in), got, want)
			}
			if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
				t.Errorf("%v: %q is the name %q", plain.Names, in, name)
			}
		}
		for _, h := range []Habits{plain, bent} {
			checkSaid(t, h, in)
		}
	})
}

// separators counts the backslashes that are no halves of characters.
func separators(c Charset, text string) (n int) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			n++
		case c == ShiftJIS && (0x81 <= text[i] && text[i] <= 0x9f || text[i] >= 0xe0), c == GBK && text[i] >= 0x81:
			i++ // of four bytes, the second half begins like another two
		}
	}
	return n
}

// checkSaid checks what a client is told of a file of that name.
func checkSaid(t *testing.T, h Habits, name string) {
	said := h.said(reply{257, quote(name)}.String())
	text, ok := h.Names.decode(strings.ReplaceAll(said, "\xff\xff", "\xff"))
	if line := strings.ReplaceAll(text, "\r\n", ""); !ok || strings.ContainsFunc(line, unicode.IsControl) || !utf8.ValidString(line) {
		t.Errorf("%v: of %q is said %q", h.Names, name, said)
	}
	if !h.canSay(name) {
		return
	}
	wire, _ := h.Names.encode(name)
	if got, err := resolve("/", h.heard(wire)); got != "/"+name || err != nil {
		t.Errorf("%v: %q is shown as %q, which means %q, %v", h.Names, name, wire, got, err)
	}
}
