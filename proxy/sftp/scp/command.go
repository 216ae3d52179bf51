package scp

import (
	"errors"
	"fmt"
	"strings"
)

// A Command is a command line of a client.
type Command struct {
	Receive   bool // -t: the client sends files; otherwise -f: it receives some
	Recursive bool // -r: directories too
	Times     bool // -p: with modification times
	Directory bool // -d: the path of -t must be a directory

	Paths []Path // of -t only one
}

// A Path is a path of a command line.
type Path struct {
	Text string // without quotes

	// Pattern is the last element of the path if it has wildcards that are not quoted, otherwise "". Quoted ones are in it as sets
	// of one character, such as [*].
	Pattern string

	Home bool // the path begins with a tilde that is not quoted
}

// Errors of Parse. Their texts are for the client.
var (
	ErrNotSCP = errors.New("not a command of scp")

	errSyntax  = errors.New("the command has characters that only a shell would understand, or an open quote")
	errUsage   = errors.New("expected scp -t PATH or scp -f PATH, with the options -d, -p, -q, -r and -v")
	errOnePath = errors.New("ambiguous target: -t has one path")
)

// programs are the names of the program that clients use.
var programs = map[string]bool{"scp": true, "/usr/bin/scp": true, "/bin/scp": true}

// Parse parses a command line as a shell would: quotes '...' and "...", and backslashes. A line that needs anything else of a shell is
// an error, and so is one that is not of scp -t or scp -f.
func Parse(line string) (Command, error) {
	words, err := split(line)
	if len(words) == 0 || !programs[words[0].String()] {
		return Command{}, ErrNotSCP
	}
	if err != nil {
		return Command{}, err
	}
	c, rest, err := parseOptions(words[1:])
	for _, w := range rest {
		c.Paths = append(c.Paths, w.path())
	}
	switch {
	case err != nil || len(rest) == 0:
		return Command{}, errUsage
	case c.Receive && len(rest) > 1:
		return Command{}, errOnePath
	}
	return c, nil
}

// parseOptions parses the options, and returns the words after them.
func parseOptions(words []word) (c Command, rest []word, err error) {
	from := false
	for rest = words; len(rest) > 0 && len(rest[0]) > 1 && rest[0][0].byte == '-'; {
		options := rest[0].String()[1:]
		rest = rest[1:]
		if options == "-" {
			break
		}
		for _, option := range options {
			switch option {
			case 't':
				c.Receive = true
			case 'f':
				from = true
			case 'r':
				c.Recursive = true
			case 'p':
				c.Times = true
			case 'd':
				c.Directory = true
			case 'q', 'v':
			default:
				return c, nil, errUsage
			}
		}
	}
	if c.Receive == from {
		return c, nil, errUsage
	}
	return c, rest, nil
}

// A word is a word of a command line without its quotes.
type word []char

// A char is a byte of a word.
type char struct {
	byte
	quoted bool
}

func (w word) String() string {
	b := make([]byte, len(w))
	for i, c := range w {
		b[i] = c.byte
	}
	return string(b)
}

const wildcards = "*?["

// path returns the path that a word is.
func (w word) path() Path {
	p := Path{Text: w.String(), Home: len(w) > 0 && w[0] == char{'~', false}}
	last := strings.TrimRight(p.Text, "/")
	begin := strings.LastIndex(last, "/") + 1
	var pattern strings.Builder
	isPattern := false
	for _, c := range w[begin:len(last)] {
		switch special := strings.IndexByte(wildcards, c.byte) >= 0; {
		case special && c.quoted:
			fmt.Fprintf(&pattern, "[%c]", c.byte)
			continue
		case special:
			isPattern = true
		}
		pattern.WriteByte(c.byte)
	}
	if isPattern {
		p.Pattern = pattern.String()
	}
	return p
}

// forShell are the characters that have a meaning for shells, if they are not quoted; inQuotes those that have one in double quotes.
const (
	forShell = ";&|<>()$`"
	inQuotes = "$`"
)

// split splits a command line into words. With an error, it returns the words before it.
func split(line string) (words []word, err error) {
	var w word
	inside := false // a word, which may be empty
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == ' ' || c == '\t':
			if inside {
				words = append(words, w)
			}
			w, inside = nil, false
			continue
		case c < ' ' || c == 0x7f || strings.IndexByte(forShell, c) >= 0:
			return words, errSyntax
		case c == '\'' || c == '"':
			quoted, n, ok := quotedText(line[i:])
			if !ok {
				return words, errSyntax
			}
			w, i = append(w, quoted...), i+n-1
		case c == '\\':
			i++
			if i == len(line) || line[i] < ' ' || line[i] == 0x7f {
				return words, errSyntax
			}
			w = append(w, char{line[i], true})
		default:
			w = append(w, char{c, false})
		}
		inside = true
	}
	if inside {
		words = append(words, w)
	}
	return words, nil
}

// quotedText returns the text in the quotes with which line begins, and the number of bytes of both. In double quotes, a backslash
// quotes some characters, and is an ordinary one before the others.
func quotedText(line string) (text word, n int, ok bool) {
	quote := line[0]
	for n = 1; n < len(line); n++ {
		c := line[n]
		switch {
		case c == quote:
			return text, n + 1, true
		case c < ' ' || c == 0x7f:
			return nil, 0, false
		case quote == '"' && strings.IndexByte(inQuotes, c) >= 0:
			return nil, 0, false
		case quote == '"' && c == '\\' && n+1 < len(line) && strings.IndexByte("\"\\"+inQuotes, line[n+1]) >= 0:
			n++
			c = line[n]
		}
		text = append(text, char{c, true})
	}
	return nil, 0, false
}
