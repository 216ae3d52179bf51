package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Mistakes are the mistakes of a configuration, a line each.
type Mistakes []string

func (m Mistakes) Error() string { return strings.Join(m, "\n") }

// add notes a mistake at the place that a user would look for.
func (m *Mistakes) add(where, format string, args ...any) {
	*m = append(*m, oneLine(where+": "+fmt.Sprintf(format, args...)))
}

// oneLine escapes what would break a line or reach into the terminal.
func oneLine(text string) string {
	if isPrintable(text) {
		return text
	}
	return strings.Trim(strconv.Quote(text), `"`)
}

// hidden marks an error about a value that no message may show.
type hidden struct{ error }

// bad notes a value that its parser refused.
func (m *Mistakes) bad(v value, err error) {
	if errors.As(err, new(hidden)) || v.option.secret {
		m.add(v.where, "%v", err)
		return
	}
	m.add(v.where+" "+quoted(v.text), "%v", err)
}

// quoted shows a value in one line of a bearable length.
func quoted(text string) string {
	const most = 80
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "..."
	}
	return fmt.Sprintf("%q", text)
}

// unknown notes a name that is no option's, in the notation of the place it stands in. The option that was probably meant
// is not missing then.
func (l *loading) unknown(where, name string, notation func(*option) string) {
	if o := nearest(l.command, name); o != nil {
		l.bad[o.name] = true
		l.mistakes.add(where, "no such option; did you mean %s?", notation(o))
		return
	}
	l.mistakes.add(where, "no such option; `s3ftpd %s --help` lists them all", l.command)
}

// nearest returns the option of a command that name was probably meant to be, or nil.
func nearest(command, name string) *option {
	var best *option
	distance := 1 + max(1, len(name)/3)
	for _, o := range options {
		if !o.in(command) {
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
		if o.in(command) && (strings.Contains(words, wanted) || strings.Contains(wanted, words)) {
			return o
		}
	}
	return nil
}

// edits counts the bytes to insert, delete, replace or swap with their neighbour to make b of a.
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
