package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A PasswordEdit is a users file with the new password of a user.
type PasswordEdit struct {
	Text  []byte
	Added bool     // the user was not in the file
	Any   bool     // every password was right before
	Left  Mistakes // passwords of other users that are missing
}

// SetUserPassword changes the text of a users file so that a user has the password with that hash. A user that is not in the
// file is added at the end of the list. All other text stays as it is, comments too, apart from those of `users import` about the
// password of the user. The error is of type Mistakes if the file would not load afterwards, unless only passwords of other users are
// missing: these are left. Messages contain the file's name.
func SetUserPassword(file string, text []byte, user string, hash Secret) (PasswordEdit, error) {
	if _, err := parseUserName(user); err != nil {
		return PasswordEdit{}, fmt.Errorf("the name %s %w", quoted(user), err)
	}
	clean, err := cleanUsers(text)
	if err != nil {
		return PasswordEdit{}, fmt.Errorf("%s: %w", file, err)
	}
	e := editor{file: file, text: clean, user: user, hash: string(hash), eol: "\n"}
	if bytes.Contains(clean, []byte("\r\n")) {
		e.eol = "\r\n"
	}
	added, err := e.edit()
	if errors.As(err, new(Mistakes)) {
		return PasswordEdit{}, err
	}
	if err != nil {
		return PasswordEdit{}, fmt.Errorf("%s: %w", file, err)
	}
	r := newUsersReader(file, nil)
	r.read(e.text)
	if r.count > r.unhashed {
		return PasswordEdit{}, r.all()
	}
	return PasswordEdit{append(bytes.Clone(text[:len(text)-len(clean)]), e.text...), added, e.any, r.all()}, nil
}

// An editor changes the text of a users file.
type editor struct {
	file, user, hash, eol string
	text                  []byte
	any                   bool // every password was right before
}

// edit changes the text, and reports whether it has added the user.
func (e *editor) edit() (added bool, err error) {
	parts, err := splitUsers(e.text)
	if err != nil {
		return false, err
	}
	r := &usersReader{file: e.file}
	for _, c := range parts.users {
		docs := r.parse(c, maxUserText, "", "a user")
		if len(docs) != 1 {
			continue // the check of the whole file reports it
		}
		if list, ok := docs[0].Body.(*ast.SequenceNode); ok && len(list.Values) == 1 {
			if entries, ok := entriesOf(list.Values[0]); ok && e.isUser(entries) {
				flow := false
				if m, ok := list.Values[0].(*ast.MappingNode); ok {
					flow = m.IsFlowStyle
				}
				before := len(e.text)
				if err := e.change(c, entries, flow); err != nil {
					return false, err
				}
				begin := e.offset(c.line, 1)
				e.dropNotes(begin, begin+len(c.text)+len(e.text)-before)
				return false, nil
			}
		}
	}
	if len(parts.users) > 0 {
		e.add(parts)
		return true, nil
	}
	return true, e.addFirst()
}

func (e *editor) isUser(entries []*ast.MappingValueNode) bool {
	name := entryNamed(entries, "name")
	if name == nil {
		return false
	}
	text, err := (scope{usersReader: &usersReader{texts: map[string]string{}}}).plainText(name.Value)
	return err == nil && text == e.user
}

func entryNamed(entries []*ast.MappingValueNode, key string) *ast.MappingValueNode {
	for _, entry := range entries {
		if entry.Key.GetToken().Value == key {
			return entry
		}
	}
	return nil
}

// change replaces the password in the text of a user, or inserts it after the name.
func (e *editor) change(c chunk, entries []*ast.MappingValueNode, flow bool) error {
	if file := entryNamed(entries, "password-file"); file != nil && entryNamed(entries, "password") == nil {
		line, _ := placeOf(file.Key, c.line-1)
		return fmt.Errorf("user %s has a password-file in line %d: change that file, e.g. s3ftpd passwd > FILE, or remove the line", quoted(e.user), line)
	}
	if password := entryNamed(entries, "password"); password != nil {
		from, to, err := e.valueBounds(c, password, flow)
		if err != nil {
			return err
		}
		old := string(e.text[from:to])
		e.any = strings.Trim(old, `'"`) == "any"
		quote := ""
		switch {
		case old != "" && strings.ContainsRune(`'"`, rune(old[0])):
			quote = old[:1]
		case flow:
			quote = "'"
		}
		value := quote + e.hash + quote
		if old == "" {
			value = " " + value
		}
		e.replace(from, to, value)
		return nil
	}
	name := entryNamed(entries, "name")
	_, end, err := e.valueBounds(c, name, flow)
	switch {
	case err != nil:
		return err
	case flow:
		e.replace(end, end, ", password: '"+e.hash+"'")
	default:
		_, column := placeOf(name.Key, 0)
		end = e.lineEnd(end)
		e.replace(end, end, e.endLine(end)+strings.Repeat(" ", column-1)+"password: "+e.hash+e.eol)
	}
	return nil
}

// passwordNote matches a comment of `users import` that says why a user has no password.
var passwordNote = regexp.MustCompile(`(?m)^[ ]*# imported disabled: (?:has no|the) password\b.*\n?`)

// dropNotes removes what is said between two offsets about a password that is missing.
func (e *editor) dropNotes(from, to int) {
	e.text = slices.Concat(e.text[:from], passwordNote.ReplaceAll(e.text[from:to], nil), e.text[to:])
}

// valueBounds returns the offsets of a value of one line. Those of a missing value are after the colon.
func (e *editor) valueBounds(c chunk, entry *ast.MappingValueNode, flow bool) (from, to int, err error) {
	key := entry.Key.GetToken()
	line, column := placeOf(entry.Value, c.line-1)
	err = fmt.Errorf("line %d: user %s: %s must be a plain value on one line, so that it can be changed here", line, quoted(e.user), key.Value)
	value := entry.Value.GetToken().Value
	switch entry.Value.(type) {
	case *ast.NullNode:
		from = e.offset(placeOf(entry.Key, c.line-1))
		colon := bytes.IndexByte(e.text[from:e.lineEnd(from)], ':')
		if colon < 0 {
			return 0, 0, err
		}
		from += colon + 1
		rest := bytes.TrimLeft(e.text[from:e.lineEnd(from)], " ")
		if len(rest) == 0 || rest[0] == '#' || rest[0] == '\r' || rest[0] == '\n' || flow && bytes.IndexByte([]byte(",}"), rest[0]) >= 0 {
			return from, from, nil
		}
		from = e.lineEnd(from) - len(rest)
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		from = e.offset(line, column)
	default:
		return 0, 0, err
	}
	rest := e.text[from:e.lineEnd(from)]
	n := scalarLength(rest, flow)
	if n == 0 || rest[0] != '"' && rest[0] != '\'' && string(rest[:n]) != value {
		return 0, 0, err
	}
	return from, from + n, nil
}

// scalarLength returns the length of a scalar at the beginning of a line, or 0 if the scalar goes on in the next one.
func scalarLength(rest []byte, flow bool) int {
	if len(rest) == 0 {
		return 0
	}
	switch quote := rest[0]; quote {
	case '"', '\'':
		for i := 1; i < len(rest); i++ {
			switch {
			case rest[i] == '\\' && quote == '"':
				i++
			case rest[i] == quote && quote == '\'' && i+1 < len(rest) && rest[i+1] == quote:
				i++
			case rest[i] == quote:
				return i + 1
			}
		}
		return 0
	}
	end := len(rest)
	if i := bytes.Index(rest, []byte(" #")); i >= 0 {
		end = i
	}
	if i := bytes.IndexAny(rest[:end], ",}]"); i >= 0 && flow {
		end = i
	}
	return len(bytes.TrimRight(rest[:end], " \t\r\n"))
}

// offset returns the offset of a line and a column, which counts characters.
func (e *editor) offset(line, column int) int {
	offset := 0
	for l := range bytes.Lines(e.text) {
		if line--; line == 0 {
			runes := []rune(string(l))
			return offset + len(string(runes[:min(column-1, len(runes))]))
		}
		offset += len(l)
	}
	return offset
}

// lineEnd returns the offset of the line after the one with the offset.
func (e *editor) lineEnd(offset int) int {
	if i := bytes.IndexByte(e.text[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(e.text)
}

// endLine returns the line end that is missing before an offset.
func (e *editor) endLine(offset int) string {
	if offset == 0 || e.text[offset-1] == '\n' {
		return ""
	}
	return e.eol
}

func (e *editor) replace(from, to int, with string) {
	e.text = bytes.Join([][]byte{e.text[:from], []byte(with), e.text[to:]}, nil)
}

// add adds the user after the last one, before comments that do not belong to that one.
func (e *editor) add(parts usersText) {
	end := len(e.text) - len(parts.outside[1].text)
	last := parts.users[len(parts.users)-1].text
	for lines := bytes.SplitAfter(last, []byte("\n")); len(lines) > 0; lines = lines[:len(lines)-1] {
		l := lines[len(lines)-1]
		content := bytes.TrimLeft(l, " ")
		if len(bytes.TrimSpace(content)) > 0 && (content[0] != '#' || len(l)-len(content) > parts.indent) {
			break
		}
		end -= len(l)
	}
	e.replace(end, end, e.endLine(end)+e.entry(parts.indent))
}

// emptyUsers matches a list without users.
var emptyUsers = regexp.MustCompile(`(?m)^users:([ \t]*\[[ ]*\])?[ \t]*(#[^\n]*)?\r?$`)

// addFirst adds the user to a file without users.
func (e *editor) addFirst() error {
	r := &usersReader{file: e.file}
	top := outer{seen: map[string]int{}}
	r.outside(&top, chunk{e.text, 1})
	if r.count > 0 {
		return r.all()
	}
	m := emptyUsers.FindSubmatchIndex(e.text)
	list, isList := top.users.node.(*ast.SequenceNode)
	_, isNull := top.users.node.(*ast.NullNode)
	switch {
	case m != nil && (isNull || isList && len(list.Values) == 0):
		end := e.lineEnd(m[0])
		e.replace(end, end, e.endLine(end)+e.entry(2))
		if m[2] >= 0 {
			e.replace(m[2], m[3], "")
		}
	case top.users.node != nil:
		return fmt.Errorf("user %s: is not in the list: only a list with \"- name: NAME\" in lines of their own can be changed here", quoted(e.user))
	default:
		e.replace(len(e.text), len(e.text), e.endLine(len(e.text))+"users:"+e.eol+e.entry(2))
	}
	return nil
}

// entry returns the text of the user.
func (e *editor) entry(indent int) string {
	margin := strings.Repeat(" ", indent)
	return margin + "- name: " + QuoteYAML(e.user) + e.eol + margin + "  password: " + e.hash + e.eol
}

var (
	plainYAML    = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9._@/-]*( [A-Za-z0-9._@/-]+)*$`)
	reservedYAML = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|null|y|n)$`)
)

// QuoteYAML returns a text as a scalar of YAML, in quotes where it needs them.
func QuoteYAML(text string) string {
	if plainYAML.MatchString(text) && !reservedYAML.MatchString(text) {
		return text
	}
	var b strings.Builder
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	if err := j.Encode(text); err != nil {
		return `""` // a text is always encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}
