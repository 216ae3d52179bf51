package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Help lists the options of a command for a terminal of that many columns, under headings, each with its
// default and its environment variable.
func Help(command string, columns int) string {
	var b strings.Builder
	const indent = 30
	group := ""
	for _, o := range options {
		if !o.in(command) {
			continue
		}
		if o.group != group {
			group = o.group
			fmt.Fprintf(&b, "\n%s:\n", group)
		}
		left := "  " + o.usage()
		for i, line := range append(wrap(o.help, columns-indent), wrap(o.origin(command), columns-indent)...) {
			switch {
			case i == 0 && len(left) > indent-2:
				fmt.Fprintf(&b, "%s\n%*s%s\n", left, indent, "", line)
			case i == 0:
				fmt.Fprintf(&b, "%-*s%s\n", indent, left, line)
			default:
				fmt.Fprintf(&b, "%*s%s\n", indent, "", line)
			}
		}
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// usage is the option as one would write it.
func (o *option) usage() string {
	switch {
	case o.secret:
		return o.env()
	case o.isBool():
		return "--" + o.name
	case o.alone:
		return "--" + o.name + " [" + o.value + "]"
	}
	return "--" + o.name + " " + o.value
}

// origin is the line with the default and the environment variable.
func (o *option) origin(command string) string {
	if o.secret {
		return "[default: " + o.shownIn(command) + "]"
	}
	return "[default: " + o.shownIn(command) + "; " + o.env() + "]"
}

// shownIn is what is said of the default in a command.
func (o *option) shownIn(command string) string {
	if o.secret && command == Demo {
		return "demo"
	}
	if text := o.defaultIn(command); text != "" {
		return text
	}
	return o.shown
}

// wrap breaks a text into lines of at most that many characters, where its words allow it.
func wrap(text string, columns int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= columns:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// Markdown is the table of all options for the README.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| option | environment | default | meaning |\n|---|---|---|---|\n")
	for _, o := range options {
		name := "`--" + o.name + "`"
		if o.secret {
			name = ""
		}
		def := o.cell(Serve)
		if o.only != "" {
			def = o.cell(o.only) + " (`" + o.only + "` alone)"
		} else if demo := o.cell(Demo); demo != def {
			def += " (`demo`: " + demo + ")"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", name, o.env(), def, strings.ReplaceAll(o.help, "|", `\|`))
	}
	return b.String()
}

// cell is the default in a command, as Markdown.
func (o *option) cell(command string) string {
	text := o.shownIn(command)
	if text == o.shown {
		return text
	}
	return "`" + text + "`"
}
