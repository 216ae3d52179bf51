package config

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// outer is what stands outside the list of users.
type outer struct {
	parts           usersText
	seen            map[string]int // line of each key
	defaults, users located
	documents       int // only the first one is read
}

// outside reads a part outside the list of users.
func (r *usersReader) outside(top *outer, c chunk) {
	for i, doc := range r.parse(c, maxOuterText, "", "the file, apart from a list of users that begin with \"- \",") {
		switch doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.DirectiveNode:
			continue
		}
		if c.line == 1 || i > 0 || doc.Start != nil { // else it continues the document before the users
			top.documents++
		}
		if top.documents > 1 {
			continue
		}
		entries, ok := entriesOf(doc.Body)
		if !ok {
			line, column := placeOf(doc.Body, c.line-1)
			r.add(line, column, wrongType(doc.Body, "must be the keys defaults and users"))
			continue
		}
		for _, e := range entries {
			r.topKey(top, e, c.line-1)
		}
	}
}

// topKey reads a key of the whole file.
func (r *usersReader) topKey(top *outer, e *ast.MappingValueNode, before int) {
	name := e.Key.GetToken().Value
	line, column := placeOf(e.Key, before)
	s := scope{usersReader: r, before: before, subject: "the file"}
	first, exists := top.seen[name]
	isName := e.Key.Type() == ast.StringType && (name == "defaults" || name == "users")
	switch {
	case isName && exists:
		r.add(line, column, fmt.Sprintf("%s: must be in the file only once; it is also in line %d", name, first))
		return
	case !isName:
		s.unknown(spot{line: line, column: column}, e, []string{"defaults", "users"})
		return
	case name == "defaults":
		top.defaults = located{e.Value, before}
	case len(top.parts.users) == 0:
		top.users = located{e.Value, before}
	}
	top.seen[name] = line
}

// readDefaults reads the defaults.
func (r *usersReader) readDefaults(n located) {
	r.defaults.keys = map[string]spot{}
	if n.node == nil || n.node.Type() == ast.NullType {
		return
	}
	s := scope{usersReader: r, before: n.before, subject: "defaults", example: "bucket: invoices"}
	d := draft{}
	if d.keys = readMapping(s, &d, n.node, defaultKeys()); d.keys != nil {
		r.defaults = d
	}
}
