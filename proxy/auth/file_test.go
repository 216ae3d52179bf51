package auth

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Line ends and byte order marks that editors add used to be part of the password, without a warning.
func TestClean(t *testing.T) {
	const blank, notUTF8 = "begins or ends with white space", "is not UTF-8"
	for _, c := range []struct {
		text, want string
		problems   []string // their beginnings
	}{
		{"one", "one", nil},
		{"one\n", "one", nil},
		{"one\r\n", "one", nil},
		{"\uFEFFone\r\n", "one", nil},
		{"\uFEFF" + argonReference + "\n", argonReference, nil},
		{"one \n", "one ", []string{blank}},
		{"\tone", "\tone", []string{blank}},
		{"one\u00A0", "one\u00A0", []string{blank}},
		{"one\r\r\n", "one\r", []string{blank}},
		{" " + argonReference + " \n", argonReference, nil},
		{"one\n\n", "one", []string{"has 2 lines"}},
		{"one\r\ntwo\r\n", "one", []string{"has 2 lines"}},
		{"one \ntwo\nthree", "one ", []string{"has 3 lines", blank}},
		{"p\xE4ss", "p\xE4ss", []string{notUTF8}},
		{"päss", "päss", nil},
		{"", "", nil},
	} {
		got, problems := Clean(c.text)
		if got != c.want || !slices.EqualFunc(problems, c.problems, strings.HasPrefix) {
			t.Errorf("%q: got %q, %q, want %q, %q", c.text, got, problems, c.want, c.problems)
		}
	}
}

func TestFileWarnsOncePerContent(t *testing.T) {
	name := filepath.Join(t.TempDir(), "password")
	warnings := 0
	secret := File(name, func(string) { warnings++ })
	for _, c := range []struct {
		text string
		want int
	}{{"one ", 1}, {"one ", 1}, {"one", 1}, {"two\nlines", 2}, {"two\nlines", 2}, {"p\xE4ss ", 4}} {
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := secret(); err != nil || warnings != c.want {
			t.Errorf("%q: %d warnings, %v, want %d", c.text, warnings, err, c.want)
		}
	}
}
