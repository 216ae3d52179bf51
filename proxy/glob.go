package proxy

import (
	"strings"
	"unicode/utf8"
)

// A pattern is the last element of a path that a listing is asked for: "*" stands for any bytes, "?" for one
// character, "[a-z]" or "[!a-z]" for one of, or not of, a set. A backslash is a character like others.
type pattern string

// isPattern says whether an element has anything to match.
func isPattern(elem string) bool { return strings.ContainsAny(elem, "*?[") }

// prefix is what every name that matches begins with.
func (p pattern) prefix() string { return string(p[:strings.IndexAny(string(p), "*?[")]) }

// match says whether the pattern matches all of name; a name that is the pattern to the letter does.
// It goes back to the last star only, so that its time is bounded by the product of the lengths.
func (p pattern) match(name string) bool {
	if string(p) == name {
		return true
	}
	rest, star, from := string(p), "", ""
	for starred := false; ; {
		if strings.HasPrefix(rest, "*") {
			rest = strings.TrimLeft(rest, "*")
			star, from, starred = rest, name, true
			continue
		}
		if name == "" && rest == "" {
			return true
		}
		if r, n, ok := step(rest, name); ok {
			rest, name = r, n
			continue
		}
		if !starred || from == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(from)
		from = from[size:]
		rest, name = star, from
	}
}

// step matches one character of name with the head of a pattern, and returns what follows in both.
func step(p, name string) (string, string, bool) {
	if p == "" || name == "" {
		return p, name, false
	}
	c, size := utf8.DecodeRuneInString(name)
	switch p[0] {
	case '?':
		return p[1:], name[size:], true
	case '[':
		if rest, in, ok := set(p, c); ok {
			return rest, name[size:], in
		}
	}
	return p[1:], name[1:], p[0] == name[0]
}

// set judges c by the set that p begins with. A set that does not end is none, and the bracket a character.
func set(p string, c rune) (rest string, in, ok bool) {
	body := p[1:]
	not := strings.HasPrefix(body, "!") || strings.HasPrefix(body, "^")
	if not {
		body = body[1:]
	}
	end := strings.IndexByte(body[min(1, len(body)):], ']') // a bracket at once is a member
	if end < 0 {
		return p, false, false
	}
	members := []rune(body[:end+1])
	for i := 0; i < len(members); i++ {
		lo, hi := members[i], members[i]
		if i+2 < len(members) && members[i+1] == '-' {
			hi = members[i+2]
			i += 2
		}
		in = in || lo <= c && c <= hi
	}
	return body[end+2:], in != not, true
}
