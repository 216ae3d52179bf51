package names

import (
	"slices"
	"strings"
)

// A Pattern is the last element of the path of a listing, with wildcards: "*" matches any characters, "?" one, "[a-z]" one of a
// set and "[!a-z]" one that is not in the set. A backslash is an ordinary character.
type Pattern struct {
	text  string
	parts []part
}

// A part reports whether it matches a character; the nil part is a star.
type part func(rune) bool

// IsPattern reports whether an element has wildcards.
func IsPattern(elem string) bool { return strings.ContainsAny(elem, "*?[") }

// NewPattern parses a pattern. Every text is a valid one.
func NewPattern(text string) Pattern {
	p := Pattern{text: text}
	for rest := []rune(text); len(rest) > 0; {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case '*':
			p.parts = append(p.parts, nil)
			continue
		case '?':
			p.parts = append(p.parts, func(rune) bool { return true })
			continue
		case '[':
			if set, after := newSet(rest); set != nil {
				p.parts, rest = append(p.parts, set), after
				continue
			}
		}
		p.parts = append(p.parts, func(r rune) bool { return r == c })
	}
	return p
}

// newSet parses a set from the character after its opening bracket, and returns the rest after it. The set is nil if it has
// no closing bracket.
func newSet(body []rune) (set part, after []rune) {
	not := len(body) > 0 && (body[0] == '!' || body[0] == '^')
	if not {
		body = body[1:]
	}
	end := slices.Index(body[min(1, len(body)):], ']') + 1 // a closing bracket in first place is a member
	if end == 0 {
		return nil, nil
	}
	members := body[:end]
	return func(r rune) bool { return isMember(members, r) != not }, body[end+1:]
}

// isMember reports whether r is one of the members. Three of them may be a range such as a-z.
func isMember(members []rune, r rune) bool {
	for len(members) > 0 {
		n, last := 1, members[0]
		if len(members) > 2 && members[1] == '-' {
			n, last = 3, members[2]
		}
		if members[0] <= r && r <= last {
			return true
		}
		members = members[n:]
	}
	return false
}

// Prefix returns the text before the first wildcard. All matching names begin with it.
func (p Pattern) Prefix() string {
	if i := strings.IndexAny(p.text, "*?["); i >= 0 {
		return p.text[:i]
	}
	return p.text
}

// Match reports whether the pattern matches all of name. It also matches a name that is equal to the text of the pattern. Match
// backtracks to the last star only, so its time is bounded by the product of the lengths.
func (p Pattern) Match(name string) bool {
	runes, i, at := []rune(name), 0, 0
	star, from := -1, 0
	for i < len(runes) {
		switch {
		case at < len(p.parts) && p.parts[at] == nil:
			star, from = at, i
			at++
		case at < len(p.parts) && p.parts[at](runes[i]):
			i++
			at++
		case star >= 0:
			from++
			i, at = from, star+1
		default:
			return name == p.text
		}
	}
	for at < len(p.parts) && p.parts[at] == nil {
		at++
	}
	return at == len(p.parts) || name == p.text
}
