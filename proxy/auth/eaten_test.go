package auth

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

var variable = regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*|[0-9])`)

// inQuotes is what bash makes of a text in double quotes, where no variable has a value.
func inQuotes(text string) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string {
		if name == "$0" {
			return "/bin/bash"
		}
		return ""
	})
}

// inZsh is the same of zsh, which takes all digits for one name.
func inZsh(text string) string {
	return regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*|[0-9]+)`).ReplaceAllString(text, "")
}

// A hash of which a shell had left "=19=19456,t=2,p=1..." was taken for a plain password, and every login was wrong.
func TestEatenHashes(t *testing.T) {
	eaten := []string{
		"=19=19456,t=2,p=1", "=19=19456,t=2,p=1/xyz", "=19=19456,t=2,p=1+a/b", "argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
		"v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", "$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", "m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
		"$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", "'" + argonReference + "'", `"` + argonReference + `"`, "'$6$salt$hash'",
		"2y$10$" + strings.Repeat("a", 53), "y$10$" + strings.Repeat("a", 53), "y0",
	}
	for range 20 {
		argon := hashed(t, "wonderland")
		eaten = append(eaten, inQuotes(argon), inZsh(argon))
		for _, cost := range []int{bcrypt.MinCost, 6} {
			hash, err := bcrypt.GenerateFromPassword([]byte("wonderland"), cost)
			if err != nil {
				t.Fatal(err)
			}
			for _, costly := range []string{string(hash), strings.Replace(string(hash), "$0", "$1", 1)} {
				eaten = append(eaten, inQuotes(costly), inQuotes(strings.Replace(costly, "$2a", "$2y", 1)))
			}
		}
	}
	for _, text := range eaten {
		if err := Usable(text); err != errEaten && err != errQuoted {
			t.Errorf("%q is taken for a password: %v", text, err)
		}
	}
}

// Passwords that people have are not refused.
func TestPasswordsThatAreNone(t *testing.T) {
	for _, text := range []string{
		"x", "y", "wonderland", "t=2,p=1", "$ecret", "pa$$word", "abc.def", "yes/no", "correct horse battery staple", "19", "=19", "a/b.c", "y2k", "b1234",
		"'quoted'", "4VZ1qHJmDkUkcKfYVIRpRlRZ7IR2fiUvSTQYQGg8RkVE", strings.Repeat("ab", 26), "bash", "ash5x", "1=1,2=2",
	} {
		if err := Usable(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
