package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits of a users file, in bytes.
const (
	maxUsersFile = 64 << 20
	maxUserText  = 64 << 10  // of one user
	maxOuterText = 128 << 10 // of all that is outside the list of users, and of a list in braces
)

// maxNesting is the number of brackets and braces that may be open at once. The parser's time grows with its square.
const maxNesting = 32

// nested returns the line of the bracket that is nested too deep, counted from 0, or -1.
func nested(text []byte) (line int) {
	open := 0
	for _, b := range text {
		switch b {
		case '\n':
			line++
		case '[', '{':
			if open++; open > maxNesting {
				return line
			}
		case ']', '}':
			open = max(0, open-1)
		}
	}
	return -1
}

// A chunk is a part of a users file that is parsed by itself.
type chunk struct {
	text []byte
	line int // of its first byte in the file, from 1
}

// usersText is a users file, split into the texts of its users. So a file of any length is parsed in little memory.
type usersText struct {
	outside [2]chunk // before and after the users
	users   []chunk  // each a list with one element
	indent  int      // columns before the "-" of each user
}

// splitUsers splits the text of a users file at its users, by their indentation. A list in another notation than one "- " a
// user stays in the part outside.
func splitUsers(text []byte) (usersText, error) {
	s := splitter{text: text, usersText: usersText{indent: -1}}
	offset, line := 0, 0
	for l := range bytes.Lines(text) {
		line++
		if err := s.add(l, offset, line); err != nil {
			return usersText{}, err
		}
		offset += len(l)
	}
	if s.section == inUsers {
		s.endUsers(offset, line+1)
	}
	if s.indent < 0 { // no users, or in another notation
		s.outside = [2]chunk{{text, 1}}
	}
	return s.usersText, nil
}

// The sections of a users file that a splitter passes.
const (
	beforeUsers = iota
	inUsers
	afterUsers
)

// A splitter finds the users in the lines of a file.
type splitter struct {
	usersText
	text       []byte
	section    int
	begin      int // offset of the list of users
	user, line int // offset and line of the present user
}

// add looks at the next line.
func (s *splitter) add(line []byte, offset, number int) error {
	content := bytes.TrimLeft(line, " ")
	indent := len(line) - len(content)
	blank := len(bytes.TrimSpace(content)) == 0 || content[0] == '#'
	switch {
	case s.section == beforeUsers && isUsersKey(line):
		s.section, s.begin = inUsers, offset+len(line)
	case s.section != inUsers || blank:
	case s.indent < 0 && isElement(content):
		s.indent, s.user, s.line = indent, offset, number
	case s.indent < 0: // another notation
		s.section = afterUsers
	case indent == s.indent && isElement(content):
		s.endUser(offset)
		s.user, s.line = offset, number
	case indent <= s.indent && content[0] == '\t':
		return &placeError{number, indent + 1, errors.New("must be indented with spaces, not with tabs")}
	case indent == 0:
		s.endUsers(offset, number)
	case indent <= s.indent:
		return &placeError{number, indent + 1, fmt.Errorf("must be indented by more than %d spaces, or begin with \"- \" in column %d as the other users do",
			s.indent, s.indent+1)}
	}
	return nil
}

func (s *splitter) endUser(offset int) {
	s.users = append(s.users, chunk{s.text[s.user:offset:offset], s.line})
}

func (s *splitter) endUsers(offset, line int) {
	s.section = afterUsers
	if s.indent >= 0 {
		s.endUser(offset)
		s.outside = [2]chunk{{s.text[:s.begin:s.begin], 1}, {s.text[offset:], line}}
	}
}

// isUsersKey reports whether a line is "users:" alone, apart from a comment.
func isUsersKey(line []byte) bool {
	rest, found := bytes.CutPrefix(line, []byte("users:"))
	value := bytes.TrimSpace(rest)
	return found && (len(value) == 0 || value[0] == '#' && rest[0] != '#')
}

// isElement reports whether a line without its indentation begins an element of a list.
func isElement(content []byte) bool {
	return content[0] == '-' && (len(content) == 1 || bytes.IndexByte([]byte(" \t\r\n"), content[1]) >= 0)
}

// A placeError is an error with its place in the file.
type placeError struct {
	line, column int
	err          error
}

func (e *placeError) Error() string { return e.err.Error() }

// cleanUsers returns the text of a users file without a byte order mark, or an error if it is not UTF-8 or contains control
// characters.
func cleanUsers(text []byte) ([]byte, error) {
	if len(text) > maxUsersFile {
		return nil, errors.New("must be at most 64 MiB long")
	}
	text, err := utf8Text(text)
	if err != nil {
		return nil, err
	}
	line, column := 1, 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		column++
		switch {
		case r == utf8.RuneError && size == 1:
			return nil, &placeError{line, column, errors.New("must be UTF-8, but contains other bytes")}
		case r == '\n':
			line, column = line+1, 0
		case r == '\t', r == '\r' && i+1 < len(text) && text[i+1] == '\n':
		case r < 0x20, r == 0x7f, r >= 0x80 && r < 0xa0, r == '\u2028', r == '\u2029', r == '\uFEFF':
			return nil, &placeError{line, column, fmt.Errorf("must not contain the control character %U", r)}
		}
		i += size
	}
	return text, nil
}
