package config

import (
	"slices"
	"strings"
)

// An option is all there is to know of one option; whatever speaks of options is made from these rows.
type option struct {
	name   string
	group  string                      // heading in the help
	value  string                      // what the value is called in the help; empty = a boolean flag
	alone  bool                        // the flag may stand without its value too, and then means true
	def    string                      // default, as a user would write it; empty = left at zero
	demo   string                      // default of the demo where it differs
	shown  string                      // what the help calls the default, where def does not say it
	help   string                      // whole sentences, in plain text
	set    func(*Config, string) error // parses a value into its field
	only   string                      // the command that has it, Serve = Check too; empty = all
	secret bool                        // environment only
}

// field makes the set of an option from the place of its value and its parser.
func field[T any](of func(*Config) *T, parse func(string) (T, error)) func(*Config, string) error {
	return func(c *Config, text string) (err error) {
		*of(c), err = keep(*of(c), text, parse)
		return err
	}
}

// keep returns the parsed text or, with the error, what was there before.
func keep[T any](old T, text string, parse func(string) (T, error)) (T, error) {
	v, err := parse(text)
	if err != nil {
		return old, err
	}
	return v, nil
}

// env is the environment variable of an option.
func (o *option) env() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// isBool tells whether the flag stands without a value, or has it behind an equals sign.
func (o *option) isBool() bool { return o.value == "" }

// in reports whether a command has the option. Check has those of Serve too.
func (o *option) in(command string) bool {
	return o.only == "" || o.only == command || o.only == Serve && command == Check
}

// defaultIn is the default of a command.
func (o *option) defaultIn(command string) string {
	if command == Demo && o.demo != "" {
		return o.demo
	}
	return o.def
}

// named returns the option of that name, or nil.
func named(name string) *option {
	i := slices.IndexFunc(options, func(o *option) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return options[i]
}
