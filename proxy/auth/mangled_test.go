package auth

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

var variable = regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*|[0-9])`)

// expandedByBash returns the value of a text in double quotes, without any variable set.
func expandedByBash(text string) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string {
		if name == "$0" {
			return "/bin/bash"
		}
		return ""
	})
}

// expandedByZsh is the same for zsh, where $10 is one variable.
func expandedByZsh(text string) string {
	return regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*|[0-9]+)`).ReplaceAllString(text, "")
}

// A hash that a shell had changed to "=19=19456,t=2,p=1..." was taken as a password in plain text, so that every login failed.
func TestMangledHashesAreRefused(t *testing.T) {
	mangled := []string{
		"=19=19456,t=2,p=1", "=19=19456,t=2,p=1/xyz", "=19=19456,t=2,p=1+a/b", "argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
		"v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", "$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", "m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
		"$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", "'" + argonReference + "'", `"` + argonReference + `"`, "'$6$salt$hash'",
		"2y$10$" + strings.Repeat("a", 53), "y$10$" + strings.Repeat("a", 53), "y0",
	}
	for range 20 {
		argon := hashed(t, "wonderland")
		mangled = append(mangled, expandedByBash(argon), expandedByZsh(argon))
		for _, cost := range []int{bcrypt.MinCost, 6} {
			hash, err := bcrypt.GenerateFromPassword([]byte("wonderland"), cost)
			if err != nil {
				t.Fatal(err)
			}
			for _, variant := range []string{string(hash), strings.Replace(string(hash), "$0", "$1", 1)} {
				mangled = append(mangled, expandedByBash(variant), expandedByBash(strings.Replace(variant, "$2a", "$2y", 1)))
			}
		}
	}
	for _, text := range mangled {
		if err := Validate(text); err != errMangled && err != errQuoted {
			t.Errorf("Validate(%q) = %v, want %v or %v", text, err, errMangled, errQuoted)
		}
	}
}

func TestPasswordsAreNotMistakenForMangledHashes(t *testing.T) {
	for _, text := range []string{
		"x", "y", "wonderland", "t=2,p=1", "$ecret", "pa$$word", "abc.def", "yes/no", "correct horse battery staple", "19", "=19", "a/b.c", "y2k", "b1234",
		"'quoted'", "4VZ1qHJmDkUkcKfYVIRpRlRZ7IR2fiUvSTQYQGg8RkVE", strings.Repeat("ab", 26), "bash", "ash5x", "1=1,2=2",
	} {
		if err := Validate(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
