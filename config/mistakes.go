package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Mistakes lists what is wrong with a configuration, one line each.
type Mistakes []string

func (m Mistakes) Error() string { return strings.Join(m, "\n") }

// add appends a mistake. The source is the option as the user wrote it.
func (m *Mistakes) add(source, format string, args ...any) {
	*m = append(*m, oneLine(source+": "+fmt.Sprintf(format, args...)))
}

// oneLine escapes control characters, such as line breaks and terminal sequences.
func oneLine(text string) string {
	if isPrintable(text) {
		return text
	}
	return strings.Trim(strconv.Quote(text), `"`)
}

// A hidden error is about a value that must not be printed, because it may contain a secret.
type hidden struct{ error }

// addValue appends the error of a parser.
func (m *Mistakes) addValue(v value, err error) {
	if errors.As(err, new(hidden)) || v.option.secret {
		m.add(v.source, "%v", err)
		return
	}
	m.add(v.source+" "+quoted(v.text), "%v", err)
}

// quoted returns a value in quotes, shortened to 80 characters.
func quoted(text string) string {
	const maxLen = 80
	if r := []rune(text); len(r) > maxLen {
		text = string(r[:maxLen]) + "..."
	}
	return fmt.Sprintf("%q", text)
}

// unknown reports a name that is not an option's, and suggests the nearest option in the notation of the source. That
// option is not reported as missing.
func (l *loader) unknown(source, name string, notation func(*option) string) {
	if o := nearest(l.command, name); o != nil {
		l.invalid[o.name] = true
		l.mistakes.add(source, "no such option; did you mean %s?", notation(o))
		return
	}
	l.mistakes.add(source, "no such option; `s3ftpd %s --help` lists all options", l.command)
}

// nearest returns the option of a command with the most similar name, or nil.
func nearest(command, name string) *option {
	var best *option
	distance := 1 + max(1, len(name)/3)
	for _, o := range options {
		if !o.isIn(command) {
			continue
		}
		if d := edits(name, o.name); d < distance {
			best, distance = o, d
		}
	}
	if best != nil {
		return best
	}
	for _, o := range options {
		words, wanted := "-"+o.name+"-", "-"+name+"-"
		if o.isIn(command) && (strings.Contains(words, wanted) || strings.Contains(wanted, words)) {
			return o
		}
	}
	return nil
}

// edits returns the edit distance of a and b: bytes inserted, deleted, replaced or swapped with a neighbour.
func edits(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
