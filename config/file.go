package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// read returns what a YAML file says.
func (l *loading) read(from value) []value {
	text, err := os.ReadFile(from.text)
	if err == nil {
		text, err = utf8Text(text)
	}
	if err != nil {
		l.unread = true
		l.mistakes.bad(from, withoutPath(err))
		return nil
	}
	return l.yaml(from.text, text)
}

// utf8Text returns a text without its byte order mark, which editors of Windows write.
func utf8Text(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte{0xFF, 0xFE}) || bytes.HasPrefix(text, []byte{0xFE, 0xFF}) {
		return nil, errors.New("is UTF-16: save it as UTF-8")
	}
	return bytes.TrimPrefix(text, []byte("\uFEFF")), nil
}

// yaml reads a document: one mapping of option names to plain values, or nothing.
func (l *loading) yaml(name string, text []byte) (values []value) {
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		l.unread = true
		l.mistakes.add(place(name, err), "%s", message(err))
		return nil
	}
	seen := map[string]int{}
	for i, doc := range f.Docs {
		if i > 0 && doc.Body != nil {
			l.unread = true
			l.mistakes.add(name, "one document is enough; this file has %d", len(f.Docs))
			return values
		}
		for _, entry := range l.entries(name, doc.Body) {
			if v, ok := l.entry(name, entry, seen); ok {
				values = append(values, v)
			}
		}
	}
	return values
}

// entries returns the lines of the mapping that a document has to be.
func (l *loading) entries(name string, body ast.Node) []*ast.MappingValueNode {
	switch body := body.(type) {
	case nil, *ast.CommentGroupNode, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		return body.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{body}
	}
	l.unread = true
	l.mistakes.add(name, "lines such as `bucket: invoices` are wanted")
	return nil
}

// entry reads one line of the mapping.
func (l *loading) entry(name string, e *ast.MappingValueNode, seen map[string]int) (value, bool) {
	line := e.Key.GetToken().Position.Line
	key := e.Key.GetToken().Value
	where := fmt.Sprintf("%s:%d: %s", name, line, key)
	first, twice := seen[key]
	o := named(key)
	switch {
	case twice:
		l.mistakes.add(where, "is there already, in line %d", first)
		return value{}, false
	case o == nil || e.Key.Type() != ast.StringType:
		seen[key] = line
		l.unknown(where, key, keyName)
		return value{}, false
	}
	seen[key] = line
	why := l.refused(o)
	if o.name == "config" {
		why = "a file cannot name another"
	}
	text, err := plain(e.Value)
	if why == "" && err != nil {
		why = err.Error()
	}
	if why != "" {
		l.bad[o.name] = true
		l.mistakes.add(where, "%s", why)
	}
	return value{o, where, text}, why == ""
}

// plain returns a scalar as a flag would have it, and a list of scalars joined with commas.
func plain(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	case *ast.NullNode:
		return "", errors.New(`a value is missing; an empty one is written ""`)
	case *ast.SequenceNode:
		var items []string
		for _, v := range n.Values {
			item, err := plain(v)
			if err != nil || v.Type() == ast.SequenceType {
				return "", errors.New("a list may hold plain values only")
			}
			items = append(items, item)
		}
		return strings.Join(items, ","), nil
	}
	return "", errors.New("a plain value or a list of them is wanted")
}

// place is where in the file an error of the parser lies.
func place(name string, err error) string {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		return fmt.Sprintf("%s:%d", name, e.GetToken().Position.Line)
	}
	return name
}

// message is an error of the parser in one line, without the excerpt from the file, which may hold a secret.
func message(err error) string {
	var e yaml.Error
	if errors.As(err, &e) {
		return "not valid YAML: " + strings.ReplaceAll(e.GetMessage(), "\n", " ")
	}
	return "not valid YAML"
}

// keyName is an option in the notation of the file.
func keyName(o *option) string {
	if o.secret {
		return o.env()
	}
	return o.name
}
