package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Help returns the options of a command in groups, each with its default and its environment variable, formatted for a
// terminal of that many columns.
func Help(command string, columns int) string {
	var b strings.Builder
	const indent = 30
	group := ""
	for _, o := range options {
		if !o.isIn(command) {
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

// usage returns the option and its value as on the command line.
func (o *option) usage() string {
	switch {
	case o.secret:
		return o.env()
	case o.isBool():
		return "--" + o.name
	case o.optional:
		return "--" + o.name + " [" + o.value + "]"
	}
	return "--" + o.name + " " + o.value
}

// origin returns the line with the default and the environment variable.
func (o *option) origin(command string) string {
	if o.secret {
		return "[default: " + o.defaultTextIn(command) + "]"
	}
	return "[default: " + o.defaultTextIn(command) + "; " + o.env() + "]"
}

// defaultTextIn returns the default in a command, for help.
func (o *option) defaultTextIn(command string) string {
	if o.secret && command == Demo {
		return "demo"
	}
	if text := o.defaultIn(command); text != "" {
		return text
	}
	return o.defaultText
}

// wrap breaks a text into lines of at most that many characters; a longer word has a line of its own.
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

// Markdown returns the tables of all options for docs/options.md, one under each heading of the help.
func Markdown() string {
	var b strings.Builder
	group := ""
	for _, o := range options {
		if o.group != group {
			group = o.group
			fmt.Fprintf(&b, "\n## %s\n\n| option | environment | default | meaning |\n|---|---|---|---|\n", group)
		}
		name := "`--" + o.name + "`"
		if o.secret {
			name = ""
		}
		def := o.cell(Serve)
		if o.command != "" {
			def = o.cell(o.command) + " (`" + o.command + "` only)"
		} else if demo := o.cell(Demo); demo != def {
			def += " (`demo`: " + demo + ")"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", name, o.env(), def, strings.ReplaceAll(o.help, "|", `\|`))
	}
	return b.String()
}

// cell returns the default in a command, in Markdown.
func (o *option) cell(command string) string {
	text := o.defaultTextIn(command)
	if text == o.defaultText {
		return text
	}
	return "`" + text + "`"
}
