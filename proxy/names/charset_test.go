package names

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func codecOf(c proxy.Charset) Codec { return Codec{Charset: c} }

// Text that does not come back the same after decoding and encoding is refused.
func TestDecodeAndEncodeCharsets(t *testing.T) {
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
		{proxy.ShiftJIS, "\xfb\xfc\x8b\xb4", "髙橋"}, // with one of the characters that have two codes
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
				t.Errorf("%v: EncodeText of a, %q and b is %q, want a?b", charset, text, got)
			}
		}
	}
}

func TestDecodePathAndCanEncode(t *testing.T) {
	for _, c := range []struct {
		codec    Codec
		wire     string
		text     string // from DecodePath
		isShown  string // a name that CanEncode accepts
		isHidden string // a name that it refuses
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
			t.Errorf("%v: CanEncode refuses %q, or accepts %q", c.codec, c.isShown, c.isHidden)
		}
	}
}

// FuzzNames checks for each charset that bytes from a client are refused or encoded back to the same bytes, that a backslash never
// splits a character, that no control characters are sent, and that a name in a listing resolves to itself.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"a", `\d\e.txt`, "\x95\x5c\\\x83\x5c", "\xd5\x5c\\\xdf\x5b", "caf\xe9\\\xff", "\x81\x30\x81\x31", "\x94\x39\xfc\x36",
		"\xee\xe0", "\x1b[2J", "\u009b2J", "a\x7f", "\x81\\", "\xc3", "é表"} {
		for charset := range uint8(4) {
			f.Add(charset, seed)
		}
	}
	f.Fuzz(func(t *testing.T, charset uint8, in string) {
		if len(in) > 4096 { // the limit of a command line
			return
		}
		plain, backslash := Codec{Charset: proxy.Charset(charset % 4)}, Codec{Charset: proxy.Charset(charset % 4), Backslash: true}
		text := plain.DecodePath(in)
		if name, err := Resolve("/", text); err == nil {
			if back, ok := plain.Encode(text); back != in || !ok {
				t.Errorf("%v: %q is %q, and comes back as %q", plain.Charset, in, text, back)
			}
			if got, want := strings.Count(backslash.DecodePath(in), "/"), strings.Count(in, "/")+countBackslashes(plain.Charset, in); got != want {
				t.Errorf("%v: %q is %q, with %d slashes, want %d", plain.Charset, in, backslash.DecodePath(in), got, want)
			}
			if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
				t.Errorf("%v: %q is the name %q", plain.Charset, in, name)
			}
		}
		for _, c := range []Codec{plain, backslash} {
			checkEncoded(t, c, in)
		}
	})
}

// countBackslashes counts the backslashes that are not a byte of another character.
func countBackslashes(c proxy.Charset, text string) (n int) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			n++
		case c == proxy.ShiftJIS && (0x81 <= text[i] && text[i] <= 0x9f || text[i] >= 0xe0), c == proxy.GBK && text[i] >= 0x81:
			i++ // a character of four bytes looks like two of two bytes
		}
	}
	return n
}

// checkEncoded checks how a name is sent to a client.
func checkEncoded(t *testing.T, c Codec, name string) {
	if got, rest, ok := Unquote(Quote(name) + " x"); got != name || rest != " x" || !ok {
		t.Errorf("Unquote(Quote(%q)) = %q, %q, %v", name, got, rest, ok)
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
