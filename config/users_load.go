package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// LoadUsers reads a users file. The options in c apply to users without a bucket or a prefix. If c is nil, the options are
// unknown: then no user needs a bucket, and the files that users name are not looked at. The error is of type Mistakes.
func LoadUsers(name string, c *Config) (*Users, error) {
	text, err := readUsers(name)
	if err != nil {
		return nil, Mistakes{oneLine(name + ": " + withoutPath(err).Error())}
	}
	return ParseUsers(name, text, c)
}

// readUsers reads a file, and one byte more than is allowed.
func readUsers(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxUsersFile+1))
}

// ParseUsers is LoadUsers for the text of a file. Messages contain its name.
func ParseUsers(name string, text []byte, c *Config) (*Users, error) {
	r := newUsersReader(name, c)
	r.read(text)
	if r.count > 0 {
		return nil, r.all()
	}
	r.users.defaults = r.defaults
	return &r.users, nil
}

func newUsersReader(name string, c *Config) *usersReader {
	return &usersReader{file: name, options: c, users: Users{byName: map[string]*User{}}, texts: map[string]string{},
		networks: map[string][]netip.Prefix{}, checked: map[string]error{}, userKeys: names(userKeys), common: map[string]*common{}}
}

// A usersReader collects the users and the mistakes of a file.
type usersReader struct {
	file     string
	options  *Config // nil = unknown
	defaults draft
	users    Users
	mistakes []placed
	count    int  // of mistakes
	unhashed int  // of the mistakes that s3ftpd passwd cures
	isAnswer bool // of a hook, which has checked the password

	texts    map[string]string         // shares equal texts
	networks map[string][]netip.Prefix // shares equal lists
	checked  map[string]error          // files that users name, after their kind
	userKeys []string                  // names of all keys of a user
	common   map[string]*common        // by their text
}

// placed is a mistake with its place in the file.
type placed struct {
	line, column int
	text         string
}

// maxMistakes is the number of mistakes that are reported; further ones are only counted.
const maxMistakes = 50

func (r *usersReader) add(line, column int, text string) {
	if r.count++; r.count <= maxMistakes {
		r.mistakes = append(r.mistakes, placed{line, column, text})
	}
}

// all returns the mistakes in the order of the file.
func (r *usersReader) all() (all Mistakes) {
	slices.SortStableFunc(r.mistakes, func(a, b placed) int { return cmp.Or(a.line-b.line, a.column-b.column) })
	for _, m := range r.mistakes {
		place := r.file
		if m.line > 0 {
			place = fmt.Sprintf("%s:%d:%d", r.file, m.line, m.column)
		}
		all.add(place, "%s", m.text)
	}
	if more := r.count - len(r.mistakes); more > 0 {
		all.add(r.file, "and %d more mistakes", more)
	}
	return all
}

// share returns a text that keeps no other memory alive than its own; equal ones are the same.
func (r *usersReader) share(text string) string {
	if shared, ok := r.texts[text]; ok {
		return shared
	}
	text = string([]byte(text))
	r.texts[text] = text
	return text
}

// read reads the text of a file.
func (r *usersReader) read(text []byte) {
	text, err := cleanUsers(text)
	var parts usersText
	if err == nil {
		parts, err = splitUsers(text)
	}
	if err != nil {
		at := placeError{err: err}
		if e := (*placeError)(nil); errors.As(err, &e) {
			at = *e
		}
		r.add(at.line, at.column, at.err.Error())
		return
	}
	top := outer{parts: parts, seen: map[string]int{}}
	for _, c := range parts.outside {
		r.outside(&top, c)
	}
	if top.documents > 1 {
		r.add(0, 0, fmt.Sprintf("must be one YAML document, not %d", top.documents))
	}
	r.readDefaults(top.defaults)
	switch {
	case len(parts.users) > 0:
		for _, c := range parts.users {
			r.chunk(c)
		}
	case top.users.node != nil:
		r.list(top.users)
	case r.count == 0:
		r.add(0, 0, "must have the key users, with a list of users; an empty one is written users: []")
	}
	r.addCommon()
}

// parse parses a part of the file, and reports its mistakes.
func (r *usersReader) parse(c chunk, limit int, subject, what string) []*ast.DocumentNode {
	if len(c.text) > limit {
		r.add(c.line, 1, fmt.Sprintf("%s%s must be at most %d KiB long", subject, what, limit>>10))
		return nil
	}
	if line := nested(c.text); line >= 0 {
		r.add(c.line+line, 1, fmt.Sprintf("%s%s must have at most %d open brackets and braces", subject, what, maxNesting))
		return nil
	}
	f, err := parser.ParseBytes(c.text, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return f.Docs
	}
	line, column := 1, 1
	if e := yaml.Error(nil); errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		line, column = e.GetToken().Position.Line, e.GetToken().Position.Column
	}
	r.add(c.line-1+line, column, subject+plainMessage(err)+yamlHint(string(c.text), line))
	return nil
}

// yamlHints say what is right where the parser does not, by what a line looks like.
var yamlHints = []struct {
	looks *regexp.Regexp
	hint  string
}{
	{regexp.MustCompile(`^ *\t`), "lines must be indented with spaces, not with tabs"},
	{regexp.MustCompile("\u00a0"), "the line has a no-break space: it must be a common one"},
	{regexp.MustCompile(`[{,:] *[^'", ]*\{user\}`), "{user} must be in quotes here, as in prefix: '{user}/'"},
	{regexp.MustCompile(`^ *(- +)?[a-z][a-z0-9-]*:[^ /]`), "a space must follow the colon of a key"},
	{regexp.MustCompile(`^ *-[a-z]`), "a space must follow the dash"},
}

// yamlHint returns a hint to append to a parser's error in a line of a text; "" = none. The mistake may be in the line before.
func yamlHint(text string, line int) string {
	lines := strings.Split(text, "\n")
	for _, i := range []int{line - 1, line - 2} {
		if i < 0 || i >= len(lines) {
			continue
		}
		for _, h := range yamlHints {
			if h.looks.MatchString(lines[i]) {
				return "; " + h.hint
			}
		}
	}
	return ""
}

// chunk reads one user of a list that is split.
func (r *usersReader) chunk(c chunk) {
	before := r.count
	docs := r.parse(c, maxUserText, subjectOf(c.text), "a user")
	if len(docs) == 1 {
		if list, ok := docs[0].Body.(*ast.SequenceNode); ok && len(list.Values) == 1 {
			r.user(located{list.Values[0], c.line - 1})
			return
		}
	}
	if r.count == before {
		r.add(c.line, 1, "must be a user, e.g. - name: alice")
	}
}

// list reads users in another notation than one "- " a line.
func (r *usersReader) list(users located) {
	list, ok := users.node.(*ast.SequenceNode)
	if !ok {
		line, column := users.place()
		r.add(line, column, "users: "+wrongType(users.node, "must be a list, e.g. - name: alice; an empty one is written []"))
		return
	}
	for _, n := range list.Values {
		r.user(located{n, users.before})
	}
}

// user reads a user.
func (r *usersReader) user(n located) {
	s := scope{usersReader: r, before: n.before, subject: subject(n.node), example: "- name: alice"}
	d := r.defaults
	d.at.line, d.at.column = n.place()
	d.Line = d.at.line
	d.keys = readMapping(s, &d, n.node, userKeys)
	if d.keys == nil {
		return
	}
	if at, ok := d.keys["name"]; ok && !at.invalid {
		if other := r.users.byName[d.Name]; other != nil {
			s.mistakeAt(at, "name", "must be unique; the same name is in line %d", other.Line)
			return
		}
	}
	s.finish(&d)
	if d.Name != "" {
		user := d.User
		r.users.byName[user.Name] = &user
		r.users.list = append(r.users.list, &user)
	}
}
