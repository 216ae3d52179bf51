package config

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/goccy/go-yaml/ast"
)

// answer is the name of the answer of a hook in messages.
const answer = "answer"

// ParseUser reads the answer of a hook about a user: a JSON object with the keys of a user of a users file. The key name may be
// missing, else it must be the name. The user needs no password, because the hook has checked it. The defaults of the file u apply,
// and the options in c; u may be nil. The error is of type Mistakes, and its messages contain no secrets.
func (u *Users) ParseUser(name string, text []byte, c *Config) (*User, error) {
	r := newUsersReader(answer, c)
	r.isAnswer = true
	r.defaults.keys = map[string]spot{}
	if u != nil {
		r.defaults = u.defaults
	}
	user := r.answer(name, text)
	r.addCommon()
	if r.count > 0 {
		return nil, r.all()
	}
	return user, nil
}

// answer reads the answer of a hook.
func (r *usersReader) answer(name string, text []byte) *User {
	s := scope{usersReader: r, subject: "user " + quoted(name), example: `{"prefix": "customers/alice/"}`}
	body, err := jsonObject(text)
	if err != nil {
		at := placeError{line: 1, column: 1}
		if e := (*placeError)(nil); errors.As(err, &e) {
			at = *e
		}
		s.mistakeAt(spot{line: at.line, column: at.column}, "", "%v", err)
		return nil
	}
	docs := r.parse(chunk{body, 1}, maxUserText, s.subject+": ", "the answer")
	if len(docs) != 1 {
		return nil // reported: one JSON object is one document
	}
	d := r.defaults
	d.Name, d.at = name, spot{line: 1, column: 1}
	if m, ok := docs[0].Body.(*ast.MappingNode); !ok || len(m.Values) > 0 { // the parser has no place for {}
		d.keys = readMapping(s, &d, docs[0].Body, userKeys)
	} else {
		d.keys = map[string]spot{}
	}
	if d.keys == nil {
		return nil
	}
	switch at, own := d.keys["name"]; {
	case !own:
		d.keys["name"] = d.at
	case !at.invalid && d.Name != name:
		s.mistakeAt(at, "name "+quoted(d.Name), "must be %s, the name in the request, or be left out", quoted(name))
	}
	d.Name = name
	s.finish(&d)
	return &d.User
}

// jsonObject returns a text without a byte order mark, or an error if it is not a JSON object. JSON is YAML too.
func jsonObject(text []byte) ([]byte, error) {
	text, err := cleanUsers(text)
	switch {
	case err != nil:
		return nil, err
	case !json.Valid(text) || bytes.TrimLeft(text, " \t\r\n")[0] != '{':
		return nil, errors.New(`must be a JSON object with the keys of the user, e.g. {"prefix": "customers/alice/"}`)
	}
	return text, nil
}
