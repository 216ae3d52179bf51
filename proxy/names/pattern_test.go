package names

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// matches are patterns with names that match, names that do not, separated by spaces, and the pattern's prefix.
var matches = []struct{ pattern, yes, no, prefix string }{
	{"*", "a ab .hidden \u00fc", "", ""},
	{"a*", "a ab a*", "b ba", "a"},
	{"*b", "b ab bb", "ba bc", ""},
	{"a*c", "ac abc acbc", "acb ca", "a"},
	{"*.t?t", "a.txt .tat a.t?t a.txt.txt", "a.tt a.text", ""},
	{"a**b", "ab acb", "a", "a"},
	{"?", "a \u00fc \U0001f600", "ab", ""},
	{"??", "ab a\u00fc", "a abc", ""},
	{"[abc]", "a b c", "d ab", ""},
	{"x[a-c]y", "xay xby xcy", "xdy x-y xy", "x"},
	{"[!a-c]", "d - \u00fc", "a b c", ""},
	{"[^a]", "b", "a", ""},
	{"[]]", "]", "a []", ""},
	{"[!]]", "a", "]", ""},
	{"[a-]", "a -", "b", ""},
	{"[\u00e0-\u00ff]", "\u00fc", "a", ""},
	{"[", "[", "a", ""},
	{"[a", "[a", "a [", ""},
	{"a[1].txt", "a1.txt a[1].txt", "a[1]1.txt", "a"},
	{`\*`, `\ \a`, "* a", `\`},
	{"*[", "[ a[", "[a", ""},
	{"*[a]", "a ba *[a]", "b [a] *[b]", ""},
	{"*a*a*a", "aaa xaxaxa", "aa aaax", ""},
}

func TestMatch(t *testing.T) {
	for _, c := range matches {
		if got := NewPattern(c.pattern).Prefix(); got != c.prefix {
			t.Errorf("%s has the prefix %q, want %q", c.pattern, got, c.prefix)
		}
		for _, name := range strings.Fields(c.yes) {
			if !NewPattern(c.pattern).Match(name) {
				t.Errorf("%s does not match %q", c.pattern, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if NewPattern(c.pattern).Match(name) {
				t.Errorf("%s matches %q", c.pattern, name)
			}
		}
	}
	if NewPattern("?").Match("") || !NewPattern("*").Match("") {
		t.Error("the empty name is matched by ? or not by *")
	}
}

// With backtracking to all stars, the time of Match would be exponential.
func TestMatchOfManyStarsIsFast(t *testing.T) {
	p, name := NewPattern(strings.Repeat("a*", 500)+"b"), strings.Repeat("a", 1024)
	if p.Match(name) {
		t.Errorf("%.20s... matches %.20s...", p.text, name)
	}
	if !p.Match(name + "b") {
		t.Errorf("%.20s... does not match %.20s...b", p.text, name)
	}
}

// FuzzPattern checks that a pattern matches its own text, and only names with its prefix. A Match without end would stop it.
func FuzzPattern(f *testing.F) {
	for _, c := range matches {
		for _, name := range strings.Fields(c.yes + " " + c.no) {
			f.Add(c.pattern, name)
		}
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 4096 || len(name) > 1024 || !utf8.ValidString(text) || !utf8.ValidString(name) { // Resolve refuses others
			return
		}
		p := NewPattern(text)
		if p.Match(name) && !strings.HasPrefix(name, p.Prefix()) {
			t.Errorf("%q matches %q, which does not begin with %q", text, name, p.Prefix())
		}
		if !p.Match(text) {
			t.Errorf("%q does not match itself", text)
		}
		if !IsPattern(text) && (p.Match(name) != (name == text) || p.Prefix() != text) {
			t.Errorf("%q matches %q though it has no wildcards, or begins with %q", text, name, p.Prefix())
		}
	})
}
