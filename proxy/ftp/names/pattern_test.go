package names

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// matches are patterns with names that match them, and what those begin with.
var matches = []struct {
	p    string
	yes  string // names that match, by spaces
	no   string
	head string
}{
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
		if got := NewPattern(c.p).Prefix(); got != c.head {
			t.Errorf("%s begins with %q, want %q", c.p, got, c.head)
		}
		for _, name := range strings.Fields(c.yes) {
			if !NewPattern(c.p).Match(name) {
				t.Errorf("%s does not match %q", c.p, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if NewPattern(c.p).Match(name) {
				t.Errorf("%s matches %q", c.p, name)
			}
		}
	}
	if NewPattern("?").Match("") || !NewPattern("*").Match("") {
		t.Error("the empty name is matched by ? or not by *")
	}
}

// TestMatchEnds would not end if a pattern's stars were tried in all combinations.
func TestMatchEnds(t *testing.T) {
	p, name := NewPattern(strings.Repeat("a*", 500)+"b"), strings.Repeat("a", 1024)
	if p.Match(name) {
		t.Errorf("%.20s... matches %.20s...", p.text, name)
	}
	if !p.Match(name + "b") {
		t.Errorf("%.20s... does not match %.20s...b", p.text, name)
	}
}

// FuzzPattern: a pattern matches no name without its prefix, and itself; one that did not end would stop the fuzzing.
func FuzzPattern(f *testing.F) {
	for _, c := range matches {
		for _, name := range strings.Fields(c.yes + " " + c.no) {
			f.Add(c.p, name)
		}
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 4096 || len(name) > 1024 || !utf8.ValidString(text) || !utf8.ValidString(name) { // Resolve lets no other bytes through
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
