package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// located is a node, and the number of lines before its part of the file.
type located struct {
	node   ast.Node
	before int
}

// place returns the line and the column of the node in the file.
func (n located) place() (line, column int) { return placeOf(n.node, n.before) }

func placeOf(n ast.Node, before int) (line, column int) {
	tk := n.GetToken()
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		tk = m.Values[0].Key.GetToken() // that of the mapping is its first colon
	}
	if tk == nil || tk.Position == nil {
		return before + 1, 1
	}
	return before + tk.Position.Line, tk.Position.Column
}

// A spot is the place of the value of a key.
type spot struct {
	line, column int
	keyLine      int
	invalid      bool
}

// A scope is the part of a file that is read: a user, the defaults, or a mapping in one of these.
type scope struct {
	*usersReader
	before  int    // lines before the part
	subject string // begins the messages
	path    string // of keys, each followed by ": "
	example string // of what must be there, in messages about another type
}

// within returns the scope of the mapping under a key, and an example of such a mapping.
func (s scope) within(key, example string) scope {
	s.path += key + ": "
	s.example = example
	return s
}

// mistake reports a mistake at a node.
func (s scope) mistake(n ast.Node, format string, args ...any) {
	line, column := placeOf(n, s.before)
	s.mistakeAt(spot{line: line, column: column}, "", format, args...)
}

// mistakeAt reports a mistake of a key; "" = of the whole.
func (s scope) mistakeAt(at spot, key, format string, args ...any) {
	if key != "" {
		key += ": "
	}
	s.add(at.line, at.column, s.subject+": "+s.path+key+fmt.Sprintf(format, args...))
}

// A common mistake is one of the options, which all users with a certain key have. It is reported once, with their number.
type common struct {
	scope
	at           spot
	what, advice string
	user         string // the last one
	users        int
}

// commonMistake reports a mistake of the options that a user meets.
func (s scope) commonMistake(at spot, user, what, advice string) {
	c := s.common[what]
	if c == nil {
		c = &common{scope: s, at: at, what: what, advice: advice}
		s.common[what] = c
	}
	if c.users == 0 || c.user != user {
		c.user = user
		c.users++
	}
}

// addCommon adds the common mistakes.
func (r *usersReader) addCommon() {
	for _, c := range r.common {
		if c.users > 1 {
			c.subject += fmt.Sprintf(" and %d more", c.users-1)
		}
		c.mistakeAt(c.at, "", "%s: %s", c.what, c.advice)
	}
}

// A key is a key of a mapping.
type key[T any] struct {
	name string
	own  bool // not in defaults
	set  func(s scope, to *T, n ast.Node) error
}

// errReported means that the mistake is reported already.
var errReported = errors.New("reported")

// A valueError is the error of a parser about a value that messages may contain.
type valueError struct {
	text string
	error
}

func (e valueError) Unwrap() error { return e.error }

// readMapping reads the entries of a mapping, and reports their mistakes. It returns the keys with their places, or nil if n is
// not a mapping.
func readMapping[T any](s scope, to *T, n ast.Node, keys []key[T]) map[string]spot {
	entries, ok := entriesOf(n)
	if !ok {
		s.mistake(n, "%s", wrongType(n, "must be keys with values, e.g. "+s.example))
		return nil
	}
	seen := make(map[string]spot, len(entries))
	for _, e := range entries {
		name := e.Key.GetToken().Value
		line, column := placeOf(e.Key, s.before)
		at := spot{line: line, column: column, keyLine: line}
		k := find(keys, name)
		first, exists := seen[name]
		switch {
		case k == nil || e.Key.Type() != ast.StringType:
			s.unknown(at, e, names(keys))
		case exists:
			s.mistakeAt(at, name, "must be set only once; it is also in line %d", first.keyLine)
		default:
			seen[name] = readEntry(s, to, e, k, at)
		}
	}
	return seen
}

// readEntry reads the value of a key, and returns its place.
func readEntry[T any](s scope, to *T, e *ast.MappingValueNode, k *key[T], at spot) spot {
	err := k.set(s, to, e.Value)
	if e.Value.Type() != ast.NullType { // whose place is behind the line
		at.line, at.column = placeOf(e.Value, s.before)
	}
	var value valueError
	at.invalid = err != nil
	switch {
	case err == nil, err == errReported:
	case errors.As(err, new(hidden)) || !errors.As(err, &value):
		s.mistakeAt(at, k.name, "%v", err)
	default:
		s.mistakeAt(at, k.name+" "+quoted(value.text), "%v", value.error)
	}
	return at
}

// entriesOf returns the entries of a mapping.
func entriesOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func find[T any](keys []key[T], name string) *key[T] {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

func names[T any](keys []key[T]) (all []string) {
	for _, k := range keys {
		all = append(all, k.name)
	}
	return all
}

// isKey matches texts that are probably keys. Others may be parts of a value, such as a hash, and are not in messages.
var isKey = regexp.MustCompile(`^[A-Za-z][A-Za-z_-]{0,30}$`)

// unknown reports a key that does not exist. A key without a value is probably a part of one too, unless it resembles a known key.
func (s scope) unknown(at spot, e *ast.MappingValueNode, known []string) {
	n := e.Key
	name := n.GetToken().Value
	isPart := e.Value.Type() == ast.NullType && mostSimilar(name, known) == ""
	switch _, isAlias := n.(*ast.AliasNode); {
	case n.Type() == ast.MergeKeyType || isAlias || n.Type() == ast.AnchorType:
		s.mistakeAt(at, "", "%s", errAnchor)
	case n.Type() != ast.StringType || !isKey.MatchString(name) || isPart:
		s.mistakeAt(at, "", "not a key: a value with a comma or a colon must be in quotes")
	default:
		s.mistakeAt(at, name, "no such key; %s", s.suggestion(name, known))
	}
}

var (
	errAnchor = errors.New("anchors and aliases (& and *) are not supported: write the value in full or in defaults, or a text with & or * in quotes")
	errTag    = errors.New("tags (!) are not supported: a text that begins with ! must be in quotes")
	errNull   = errors.New(`must have a value; an empty one is written ""`)
)

// wrongType returns the message about a node of the wrong type.
func wrongType(n ast.Node, want string) string {
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.MergeKeyType:
		return errAnchor.Error()
	case ast.TagType:
		return errTag.Error()
	}
	return want
}

// plainText returns the text of a scalar.
func (s scope) plainText(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return s.share(n.Value), nil
	case *ast.LiteralNode:
		return s.share(strings.TrimSuffix(n.Value.Value, "\n")), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return s.share(n.GetToken().Value), nil
	case *ast.NullNode:
		return "", errNull
	}
	return "", errors.New(wrongType(n, "must be a plain value"))
}

// elements returns the elements of a list. A plain value is a list of one.
func elements(n ast.Node) ([]ast.Node, error) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		if len(n.Values) == 0 {
			return nil, errors.New("must be a list of at least one value")
		}
		return n.Values, nil
	case *ast.NullNode:
		return nil, errNull
	case *ast.MappingNode, *ast.MappingValueNode:
		return nil, errors.New("must be a plain value or a list of plain values")
	}
	return []ast.Node{n}, nil
}

// plainMessage returns a parser error in one line, without text of the file, which may be a secret.
func plainMessage(err error) string {
	const plain = "not valid YAML"
	var e yaml.Error
	if !errors.As(err, &e) || strings.ContainsAny(e.GetMessage(), "\"\n") {
		return plain
	}
	return plain + ": " + e.GetMessage()
}

// subject returns how messages name a user: by the name, if it is valid.
func subject(n ast.Node) string {
	entries, _ := entriesOf(n)
	for _, e := range entries {
		if e.Key.GetToken().Value != "name" {
			continue
		}
		switch v := e.Value.(type) {
		case *ast.StringNode, *ast.IntegerNode:
			if name, err := parseUserName(v.GetToken().Value); err == nil {
				return "user " + quoted(name)
			}
		}
	}
	return "a user without a valid name"
}

// nameLine matches the name in the text of a user.
var nameLine = regexp.MustCompile(`(?m)^[ ]*(?:-[ ]+)?(?:\{[ ]*)?name:[ ]+["']?([^"'#,{}\r\n]+)`)

// subjectOf is subject for a text that cannot be parsed.
func subjectOf(text []byte) string {
	if m := nameLine.FindSubmatch(text); m != nil {
		if name, err := parseUserName(strings.TrimSpace(string(m[1]))); err == nil {
			return "user " + quoted(name) + ": "
		}
	}
	return ""
}
