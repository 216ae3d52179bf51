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

// read returns the values of a YAML file.
func (l *loader) read(from value) []value {
	text, err := os.ReadFile(from.text)
	if err == nil {
		text, err = utf8Text(text)
	}
	if err != nil {
		l.incomplete = true
		l.mistakes.addValue(from, withoutPath(err))
		return nil
	}
	return l.yaml(from.text, text)
}

// utf8Text returns text without the byte order mark that Windows editors write.
func utf8Text(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte{0xFF, 0xFE}) || bytes.HasPrefix(text, []byte{0xFE, 0xFF}) {
		return nil, errors.New("is UTF-16: must be saved as UTF-8")
	}
	return bytes.TrimPrefix(text, []byte("\uFEFF")), nil
}

// yaml returns the values of a document, which is empty or one mapping of option names to plain values.
func (l *loader) yaml(name string, text []byte) (values []value) {
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		l.incomplete = true
		l.mistakes.add(position(name, err), "%s", message(err))
		return nil
	}
	seen := map[string]int{}
	for i, doc := range f.Docs {
		if i > 0 && doc.Body != nil {
			l.incomplete = true
			l.mistakes.add(name, "must be one YAML document, not %d", len(f.Docs))
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

// entries returns the entries of the mapping in a document.
func (l *loader) entries(name string, body ast.Node) []*ast.MappingValueNode {
	switch body := body.(type) {
	case nil, *ast.CommentGroupNode, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		return body.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{body}
	}
	l.incomplete = true
	l.mistakes.add(name, "must be lines of the form NAME: VALUE, e.g. bucket: invoices")
	return nil
}

// entry returns the value of an entry, or false if it is invalid.
func (l *loader) entry(name string, e *ast.MappingValueNode, seen map[string]int) (value, bool) {
	line := e.Key.GetToken().Position.Line
	key := e.Key.GetToken().Value
	source := fmt.Sprintf("%s:%d: %s", name, line, key)
	first, exists := seen[key]
	o := optionNamed(key)
	switch {
	case exists:
		l.mistakes.add(source, "must be set only once; it is also in line %d", first)
		return value{}, false
	case o == nil || e.Key.Type() != ast.StringType:
		seen[key] = line
		l.unknown(source, key, keyName)
		return value{}, false
	}
	seen[key] = line
	why := l.notAllowed(o)
	if o.name == "config" {
		why = "must not be in a configuration file"
	}
	text, err := scalar(e.Value)
	if why == "" && err != nil {
		why = err.Error()
	}
	if why != "" {
		l.invalid[o.name] = true
		l.mistakes.add(source, "%s", why)
	}
	return value{o, source, text}, why == ""
}

// scalar returns the text of a scalar, and a list of scalars joined with commas.
func scalar(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	case *ast.NullNode:
		return "", errors.New(`must have a value; an empty one is written ""`)
	case *ast.SequenceNode:
		var items []string
		for _, v := range n.Values {
			item, err := scalar(v)
			if err != nil || v.Type() == ast.SequenceType {
				return "", errors.New("must be a list of plain values")
			}
			items = append(items, item)
		}
		return strings.Join(items, ","), nil
	}
	return "", errors.New("must be a plain value or a list of plain values")
}

// position returns the file name and line of a parser error.
func position(name string, err error) string {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		return fmt.Sprintf("%s:%d", name, e.GetToken().Position.Line)
	}
	return name
}

// message returns a parser error in one line, without the excerpt from the file, which may contain a secret.
func message(err error) string {
	var e yaml.Error
	if errors.As(err, &e) {
		return "not valid YAML: " + strings.ReplaceAll(e.GetMessage(), "\n", " ")
	}
	return "not valid YAML"
}

// keyName returns the key of an option.
func keyName(o *option) string {
	if o.secret {
		return o.env()
	}
	return o.name
}
