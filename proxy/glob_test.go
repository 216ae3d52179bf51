package proxy

import (
	"strings"
	"testing"
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
	{"*a*a*a", "aaa xaxaxa", "aa aaax", ""},
}

func TestMatch(t *testing.T) {
	for _, c := range matches {
		if got := newPattern(c.p).prefix(); got != c.head {
			t.Errorf("%s begins with %q, want %q", c.p, got, c.head)
		}
		for _, name := range strings.Fields(c.yes) {
			if !newPattern(c.p).match(name) {
				t.Errorf("%s does not match %q", c.p, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if newPattern(c.p).match(name) {
				t.Errorf("%s matches %q", c.p, name)
			}
		}
	}
	if newPattern("?").match("") || !newPattern("*").match("") {
		t.Error("the empty name is matched by ? or not by *")
	}
}

// TestMatchEnds would not end if a pattern's stars were tried in all combinations.
func TestMatchEnds(t *testing.T) {
	p, name := newPattern(strings.Repeat("a*", 500)+"b"), strings.Repeat("a", 1024)
	if p.match(name) {
		t.Errorf("%.20s... matches %.20s...", p.text, name)
	}
	if !p.match(name + "b") {
		t.Errorf("%.20s... does not match %.20s...b", p.text, name)
	}
}

func TestCutFlags(t *testing.T) {
	for arg, want := range map[string][2]string{
		"":           {},
		"-la":        {"-la"},
		"-l -a":      {"-l-a"},
		"-la  dir":   {"-la", "dir"},
		"dir -la":    {"", "dir -la"},
		"-- -dir":    {"--", "-dir"},
		"-l -- -a b": {"-l--", "-a b"},
		"--":         {"--"},
		"-":          {"", "-"},
		"a-b":        {"", "a-b"},
		"-l a b":     {"-l", "a b"},
		" -l":        {"-l"},
		"  -1F  x ":  {"-1F", "x "},
		" x":         {"", " x"},
		"   ":        {},
		"-la/dir":    {"", "-la/dir"},
		"-2026.csv":  {"", "-2026.csv"},
		"-l -a*":     {"-l", "-a*"},
	} {
		if flags, path := cutFlags(arg); [2]string{flags, path} != want {
			t.Errorf("%q: %q and %q, want %q", arg, flags, path, want)
		}
	}
}
