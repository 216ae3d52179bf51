package names

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func codecOf(c proxy.Charset) Codec { return Codec{Charset: c} }

// TestCharsets: what is decoded comes back the same, and what would not is refused.
func TestCharsets(t *testing.T) {
	for _, c := range []struct {
		charset    proxy.Charset
		wire, text string
	}{
		{proxy.UTF8, "é表", "é表"},
		{proxy.Latin1, "caf\xe9 \x80 \xff", "café € ÿ"},
		{proxy.Latin1, `a\b~`, `a\b~`},
		{proxy.ShiftJIS, "\x95\x5c\x83\x5c\x81\x5b\x83\x7c", "表ソーポ"},
		{proxy.ShiftJIS, `a\b~`, `a\b~`},
		{proxy.ShiftJIS, "\xb1\xb2", "ｱｲ"},
		{proxy.ShiftJIS, "\x87\x40\x87\x54", "①Ⅰ"},
		{proxy.ShiftJIS, "\xfb\xfc\x8b\xb4", "髙橋"}, // of those that there are twice
		{proxy.ShiftJIS, "\xfa\x40\xfc\x4b", "ⅰ黑"},
		{proxy.GBK, "\xd5\x5c\xdf\x5b", "誠遊"},
		{proxy.GBK, "\xa2\xe3", "€"},
		{proxy.GBK, "\x94\x39\xfc\x36\x81\x30\x84\x36", "😀¥"},
	} {
		if got, ok := codecOf(c.charset).Decode(c.wire); got != c.text || !ok {
			t.Errorf("%v: %q is %q, %v; want %q", c.charset, c.wire, got, ok, c.text)
		}
		if got, ok := codecOf(c.charset).Encode(c.text); got != c.wire || !ok {
			t.Errorf("%v: %q is %q, %v; want %q", c.charset, c.text, got, ok, c.wire)
		}
	}
	for charset, texts := range map[proxy.Charset][]string{
		proxy.Latin1:   {"\x81", "\x8d", "\x8f", "\x90", "\x9d"},
		proxy.ShiftJIS: {"\x80", "\xa0", "\x81", "\x81\x20", "\xfd", "\xff", "\xed\x40", "\xee\xe0", "\xfa\x54"},
		proxy.GBK:      {"\x80", "\xff", "\x81", "\x81\x20", "\xa3\xa0", "\x81\x30\x84", "\x81\x30\x84\x30\x84"},
	} {
		for _, text := range texts {
			if got, ok := codecOf(charset).Decode(text); ok {
				t.Errorf("%v: %q is %q", charset, text, got)
			}
		}
	}
	for charset, texts := range map[proxy.Charset][]string{
		proxy.Latin1: {"表", "\u0100", "😀", "\u0301", "\ufffd", "\xe9"}, proxy.ShiftJIS: {"¥", "‾", "é", "〜", "\ufffd", "\x95\x5c"}, proxy.GBK: {"\xd5\x5c"},
	} {
		for _, text := range texts {
			if got, ok := codecOf(charset).Encode(text); ok {
				t.Errorf("%v: %q is %q", charset, text, got)
			}
			if got := codecOf(charset).EncodeText("a" + text + "b"); utf8.ValidString(text) && got != "a?b" {
				t.Errorf("%v: %q is said as %q", charset, text, got)
			}
		}
	}
}

// TestCodecPaths: what a client's path means, and which names it can be told.
func TestCodecPaths(t *testing.T) {
	for _, c := range []struct {
		codec    Codec
		wire     string
		text     string // which DecodePath returns
		isShown  string // a name
		isHidden string // a name
	}{
		{Codec{}, `a\b`, `a\b`, `a\b`, "a/b"},
		{Codec{Backslash: true}, `a\b`, "a/b", "a", `a\b`},
		{Codec{proxy.ShiftJIS, true}, "\x95\x5c\\a", "表/a", "表", "¥"},
		{Codec{proxy.ShiftJIS, false}, "\x95\x5c\\a", `表\a`, `表\a`, "é"},
		{Codec{proxy.Latin1, false}, "\x81", "\x81\xff", "é", "表"},
	} {
		if got := c.codec.DecodePath(c.wire); got != c.text {
			t.Errorf("%v: %q is %q, want %q", c.codec, c.wire, got, c.text)
		}
		if !c.codec.CanEncode(c.isShown) || c.codec.CanEncode(c.isHidden) {
			t.Errorf("%v: %q is hidden, or %q is shown", c.codec, c.isShown, c.isHidden)
		}
	}
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
		if len(in) > 4096 { // no command line is longer
			return
		}
		plain, bent := Codec{Charset: proxy.Charset(charset % 4)}, Codec{Charset: proxy.Charset(charset % 4), Backslash: true}
		text := plain.DecodePath(in)
		if name, err := Resolve("/", text); err == nil {
			if back, ok := plain.Encode(text); back != in || !ok {
				t.Errorf("%v: %q is %q, and comes back as %q", plain.Charset, in, text, back)
			}
			if got, want := strings.Count(bent.DecodePath(in), "/"), strings.Count(in, "/")+separators(plain.Charset, in); got != want {
				t.Errorf("%v: %q is %q, with %d slashes, want %d", plain.Charset, in, bent.DecodePath(in), got, want)
			}
			if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
				t.Errorf("%v: %q is the name %q", plain.Charset, in, name)
			}
		}
		for _, c := range []Codec{plain, bent} {
			checkEncoded(t, c, in)
		}
	})
}

// separators counts the backslashes that are no halves of characters.
func separators(c proxy.Charset, text string) (n int) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			n++
		case c == proxy.ShiftJIS && (0x81 <= text[i] && text[i] <= 0x9f || text[i] >= 0xe0), c == proxy.GBK && text[i] >= 0x81:
			i++ // of four bytes, the second half begins like another two
		}
	}
	return n
}

// checkEncoded checks what a client is told of a file of that name.
func checkEncoded(t *testing.T, c Codec, name string) {
	if got, rest, ok := Unquote(Quote(name) + " x"); got != name || rest != " x" || !ok {
		t.Errorf("%q in quotes is %q, then %q, %v", name, got, rest, ok)
	}
	if proxy.IsPrintable(name) {
		text, ok := c.Decode(c.EncodeText(name))
		if !ok || !proxy.IsPrintable(text) || utf8.RuneCountInString(text) != utf8.RuneCountInString(name) {
			t.Errorf("%v: %q is encoded as %q", c, name, c.EncodeText(name))
		}
	}
	if !c.CanEncode(name) {
		return
	}
	wire, _ := c.Encode(name)
	if got, err := Resolve("/", c.DecodePath(wire)); got != "/"+name || err != nil {
		t.Errorf("%v: %q is shown as %q, which means %q, %v", c, name, wire, got, err)
	}
	if c.EncodeText(name) != wire {
		t.Errorf("%v: %q is encoded as %q, and as %q in a text", c, name, wire, c.EncodeText(name))
	}
}
